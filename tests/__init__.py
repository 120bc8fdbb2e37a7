"""Tests mirror the house: one directory a room."""
