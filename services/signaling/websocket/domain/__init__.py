"""One WebSocket as a state machine: frames and events go in, effects come out."""
