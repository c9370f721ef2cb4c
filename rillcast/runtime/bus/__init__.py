"""Requests and events between processes: how they look on the wire, how one is carried out, and `Bus` on NATS."""
