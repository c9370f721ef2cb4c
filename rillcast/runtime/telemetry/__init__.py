"""Structured logs and traces. The instruments of every node are in `rillcast.runtime.metrics`."""
