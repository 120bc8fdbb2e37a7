"""Mapping: compiles a mapping document, which is data, into a function from an event to a vendor's name and fields."""
