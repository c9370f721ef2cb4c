"""Decisions of the origin; whatever they need from outside comes in through `ports`."""
