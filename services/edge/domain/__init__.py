"""What the edge decides: no I/O, no asyncio, no telemetry, no clock."""
