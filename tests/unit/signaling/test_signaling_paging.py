"""Pages of lists by offset and size, whatever a client asks for."""

from __future__ import annotations

import pytest

from services.signaling.rest.domain.paging import MAX_LIST, page

ITEMS = list(range(1_000))


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, 3, [0, 1, 2]),
        (998, 3, [998, 999]),
        (1_000, 3, []),
        (-5, 2, [0, 1]),
        (5, 0, []),
        (5, -1, []),
        (0, 10**9, ITEMS[:MAX_LIST]),
        (10**30, 10**30, []),
    ],
)
def test_a_page_never_holds_more_than_there_is_or_than_is_allowed(offset: int, size: int, expected: list[int]) -> None:
    assert page(ITEMS, offset, size) == expected
