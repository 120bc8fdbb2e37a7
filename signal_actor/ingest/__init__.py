"""Ingest: the public door. It answers 200 only when what it was given is on the disk."""
