"""Pages of lists, as clients ask for them by offset and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

MAX_LIST = 250

Item = TypeVar("Item")


def page(items: Sequence[Item], offset: int, size: int) -> Sequence[Item]:
    """As the original: a negative offset counts as 0, a negative size as none."""
    first = max(0, offset)
    return items[first : first + max(0, min(size, MAX_LIST))]
