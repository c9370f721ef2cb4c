"""Hashes, keys and requests."""
