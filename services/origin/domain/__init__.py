"""What the origin decides: no I/O, no asyncio, no telemetry, no clock, no randomness."""
