"""Decisions of the license service, without I/O."""
