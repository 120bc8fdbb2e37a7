"""Dispatch: the actors that deliver, one for each integration. A slow, dead or wrong one does not touch the others."""
