"""What the edge talks to."""
