"""Lists that the server gives out page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rillcast.client.faults import TooMany

PAGE = 250
"""The most that the server gives at once."""
MOST = 1_000_000
"""How many entries of one list are asked for, unless the caller says otherwise."""
Item = TypeVar("Item")


def paged(fetch: Callable[[int, int], Sequence[Item]], *, size: int = PAGE, most: int = MOST) -> Iterator[Item]:
    """Every entry, with one page in memory. `fetch` takes an offset and a size. A page that is not full is the last
    one. Raises `TooMany` when there are more than `most`, and whatever `fetch` raises."""
    size = max(1, min(size, PAGE))
    offset = 0
    while True:
        page = fetch(offset, size)
        yield from page[: most - offset]
        if offset + len(page) > most:
            raise TooMany(f"the list has more than {most} entries")
        if len(page) < size:
            return
        offset += len(page)
