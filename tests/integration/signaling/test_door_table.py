"""Each kind of key lets in whom it shall at every door, and the table of words in the documentation is true."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.signaling.door_cases import KINDS, Kind
from tests.integration.signaling.door_table import Row, page, rows
from tests.integration.signaling.door_visits import DOORS, LET_IN

PAGE = Path(__file__).parents[3] / "docs" / "doors.md"


FOUND: dict[str, list[Row]] = {}
"""What was asked already, by the name of the kind."""


async def found(kind: Kind) -> list[Row]:
    if kind.name not in FOUND:
        FOUND[kind.name] = await rows(kind)
    return FOUND[kind.name]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_every_door_lets_in_whom_it_shall(kind: Kind) -> None:
    wrong = [
        (row.case.shows, door.name, answer)
        for row in await found(kind)
        for door, answer in zip(DOORS, row.answers, strict=True)
        if (answer.told == LET_IN) != (door.role in row.case.lets_in)
    ]
    assert wrong == []


async def test_every_door_gives_the_same_reason() -> None:
    """But for the words of the role."""
    for kind in KINDS:
        for row in await found(kind):
            words = [one.words.replace("publish", "…").replace("play", "…") for one in row.answers if one.words]
            assert len(set(words)) <= 1, (row.case.shows, words)


async def test_the_page_in_the_documentation_says_what_is_answered() -> None:
    table = page([row for kind in KINDS for row in await found(kind)])
    if "RECORD" in os.environ:
        PAGE.write_text(table)
    assert PAGE.read_text() == table
