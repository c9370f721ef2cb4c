"""Decides who may operate. No I/O, no clock."""
