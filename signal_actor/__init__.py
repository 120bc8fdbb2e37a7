"""Signal Actor: browser events reach their vendors server to server, durably, from one process and one SQLite file."""

__version__ = "0.1.0"
