"""Decisions of the transcoder, without I/O."""
