"""Decisions that every room needs. No I/O, no asyncio, no clock."""
