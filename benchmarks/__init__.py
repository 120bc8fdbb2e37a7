"""Benchmarks: what the service does, beside what its parts can do at best."""
