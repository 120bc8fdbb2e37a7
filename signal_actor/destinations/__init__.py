"""Destinations: the vendors, each one a value of pure functions in one file, with its mappings as data beside it."""
