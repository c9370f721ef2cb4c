"""What the transcoder talks to."""
