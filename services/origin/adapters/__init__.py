"""What the origin talks to."""
