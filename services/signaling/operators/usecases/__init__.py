"""Signing in and out, and telling who asks."""
