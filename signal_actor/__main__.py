"""`python -m signal_actor` is `signal-actor`."""

from signal_actor.cli import main

main()
