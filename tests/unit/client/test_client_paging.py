"""Long lists come page by page, and never without an end."""

from __future__ import annotations

from itertools import islice

import pytest

from rillcast.client import TooMany, paged


class Pages:
    """A list on the server, with what was asked of it."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.asked: list[tuple[int, int]] = []

    def __call__(self, offset: int, size: int) -> list[int]:
        self.asked.append((offset, size))
        return list(range(offset, min(offset + size, self._length)))


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 25])
def test_every_entry_comes_once_and_in_order(length: int) -> None:
    assert list(paged(Pages(length), size=10)) == list(range(length))


def test_a_page_that_is_not_full_is_the_last_one_that_is_asked_for() -> None:
    pages = Pages(25)

    list(paged(pages, size=10))

    assert pages.asked == [(0, 10), (10, 10), (20, 10)]


def test_no_page_is_asked_for_before_its_first_entry_is_wanted() -> None:
    pages = Pages(10_000)

    assert list(islice(paged(pages), 250)) == list(range(250))
    assert pages.asked == [(0, 250)]


def test_more_than_the_server_gives_at_once_is_never_asked_for() -> None:
    pages = Pages(300)

    assert len(list(paged(pages, size=1_000))) == 300
    assert pages.asked == [(0, 250), (250, 250)]


def test_a_list_longer_than_the_bound_is_told_after_what_fits() -> None:
    found: list[int] = []

    with pytest.raises(TooMany, match="more than 15 entries"):
        for item in paged(Pages(16), size=10, most=15):
            found.append(item)

    assert found == list(range(15))
    assert len(list(paged(Pages(15), size=10, most=15))) == 15
