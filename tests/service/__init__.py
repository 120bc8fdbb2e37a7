"""Service tests: the whole product from outside, over real sockets, with the sandbox's vendors at the other end."""
