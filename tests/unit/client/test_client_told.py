"""Events of an answer that goes on, however its bytes come in."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.client import NotOurs
from rillcast.client.told import LONGEST_LINE, Told, lines, told


class Thing(msgspec.Struct):
    number: int


WHOLE = (
    b"retry: 2000\nid: 1-200\n\n"
    b'id: 2-0\nevent: thing.happened\ndata: {"number": 1}\n\n'
    b": nothing happens\n\n"
    b'id: 2-1\r\ndata: {"number":\r\ndata:  2}\r\n\r\n'
    b"id: 3-4\n: nothing happens\n\n"
    b'id: 3-5\ndata: {"number": 3}\n'
)
FOUND = [Told("1-200", None), Told("2-0", Thing(1), "thing.happened"), Told("2-1", Thing(2)), Told("3-4", None)]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_events_are_found_wherever_the_answer_is_cut_and_one_that_is_not_whole_is_left_out(size: int) -> None:
    chunks = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]

    assert list(told(lines(chunks), Thing)) == FOUND


def test_an_event_of_another_shape_is_not_ours() -> None:
    with pytest.raises(NotOurs, match="another shape"):
        list(told(lines([b'data: {"number": "x"}\n\n']), Thing))


@pytest.mark.parametrize("endless", [b"x", b"data: %s\n" % (b"x" * 1_000)])
def test_neither_a_line_nor_an_event_may_go_on_for_ever(endless: bytes) -> None:
    with pytest.raises(NotOurs, match=f"more than {LONGEST_LINE} bytes"):
        list(told(lines(endless * 1_000 for _ in range(2 * LONGEST_LINE // 1_000)), Thing))
