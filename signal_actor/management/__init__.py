"""Management: the listener for operators and for the commands that ask a running service."""
