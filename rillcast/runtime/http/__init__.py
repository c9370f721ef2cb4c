"""Serving HTTP and WebSockets inside a node's event loop, with a limit for whatever a client may keep or send."""
