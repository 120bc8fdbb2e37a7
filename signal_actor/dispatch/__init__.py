"""Dispatch: the actors that deliver. One for each integration; a slow, dead or wrong one changes nothing for the others."""
