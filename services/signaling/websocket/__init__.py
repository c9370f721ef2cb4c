"""The room of Ant Media's WebSocket protocol."""
