"""What `rillcast top` says of the cluster in one sentence, and what is in its tables."""

from __future__ import annotations

import pytest

from rillcast.cli.top.picture import KEPT, Grade, History, Picture
from rillcast.cli.top.tables import LONGEST_CELL, NODES, STREAMS, arranged, curve, text
from tests.unit.cli.top_rows import HOSTILE, node, picture, stream


@pytest.mark.parametrize(
    ("shown", "grade", "said"),
    [
        (picture(node("edge-1")), Grade.GOOD, "nothing is published"),
        (picture(node("edge-1"), streams=(stream("a", viewers=0),)), Grade.GOOD, "nobody watches"),
        (picture(node("edge-1"), streams=(stream("a"),)), Grade.GOOD, "everybody watches well"),
        (
            picture(node("edge-1"), streams=(stream("a", grade=Grade.BAD, state="packets are lost"),), suffering=1),
            Grade.BAD,
            "1 viewer of 2 does not watch well; live/a: packets are lost",
        ),
        (
            picture(node("edge-1", grade=Grade.BAD, state="frozen"), streams=(stream("a"),)),
            Grade.WARNING,
            "edge-1 is frozen",
        ),
    ],
)
def test_one_sentence_says_whether_everybody_watches_well(shown: Picture, grade: Grade, said: str) -> None:
    assert shown.verdict() == (grade, said)


def test_the_curves_keep_a_bounded_number_of_moments() -> None:
    history = History()
    for load in range(KEPT + 10):
        history.take(picture(node("edge-1", load=float(load))))
    assert len(history.busiest) == len(history.viewers) == KEPT
    assert history.busiest[-1] == KEPT + 9


def test_rows_stand_by_a_column_and_then_by_name_and_may_be_turned_round() -> None:
    rows = [node("edge-2", load=0.1), node("edge-3", load=0.9), node("edge-1", load=0.1)]
    by_load = next(index for index, column in enumerate(NODES) if column.title == "load")
    assert [one.node for one in arranged(rows, NODES, by_load, turned=False, wanted="")] == [
        "edge-3",
        "edge-1",
        "edge-2",
    ]
    assert [one.node for one in arranged(rows, NODES, by_load, turned=True, wanted="")] == [
        "edge-1",
        "edge-2",
        "edge-3",
    ]
    assert [one.node for one in arranged(rows, NODES, 0, turned=False, wanted="GE-3")] == ["edge-3"]


def test_what_clients_have_written_neither_steers_the_terminal_nor_fills_it() -> None:
    shown = text(HOSTILE)
    assert len(shown.plain) == LONGEST_CELL
    assert shown.plain.isprintable()
    assert not shown.spans, "it is no markup"
    assert all(column.cell(stream(HOSTILE, origin=HOSTILE)).plain.isprintable() for column in STREAMS)


def test_a_curve_is_as_wide_as_its_place_and_as_high_as_its_values() -> None:
    upper, lower = curve([0.0, 0.5, 1.0, 2.0], 3, 1.0).split("\n")
    assert len(upper) == len(lower) == 3
    assert lower[0] == chr(0x2800), "nothing was before"
    assert (upper[2], lower[2]) == (chr(0x2800 + 0xB8), chr(0x2800 + 0x47 + 0xB8))
    assert curve([1.0], 0, 1.0) == "\n"
