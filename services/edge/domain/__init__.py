"""Decisions of the edge; whatever they need from outside comes in through `ports`."""
