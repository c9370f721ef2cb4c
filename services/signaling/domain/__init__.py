"""Decisions of signaling: no I/O, no clock."""
