"""The sockets themselves."""
