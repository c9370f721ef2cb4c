"""Relays: the links that carry one track from a parent node to a child node."""
