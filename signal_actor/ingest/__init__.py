"""Ingest: the public door, where events come in and where the browser SDK is handed out."""
