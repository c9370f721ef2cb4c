"""What the license service talks to."""
