"""Tasks of the event loop: supervised, cancelled for sure, one at a time per key."""
