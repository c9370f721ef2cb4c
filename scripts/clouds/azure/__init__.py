"""The ARM template."""
