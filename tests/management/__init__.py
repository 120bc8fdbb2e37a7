"""Tests of the management side, over real sockets."""
