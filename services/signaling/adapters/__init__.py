"""What signaling talks to, one technology and role per file."""
