"""What keeps a page from being written."""

from __future__ import annotations


class Undocumented(Exception):
    """Something public that a reference page lists has no docstring, or one that contradicts the code."""

    def __init__(self, places: list[str]) -> None:
        super().__init__("\n".join(places))
        self.places = places
