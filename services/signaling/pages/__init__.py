"""The room of the built-in pages."""
