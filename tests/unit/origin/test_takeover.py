"""The rule who may have a stream id that is live."""

from __future__ import annotations

import pytest

from services.origin.domain.takeover import SILENT_S, Living, Marks, Turn, may_take_over, turn

NOBODY = Marks()
VERIFIED = Marks(verified="v")
SECRET = Marks(secret="s")
BOTH = Marks(verified="v", secret="s")


def living(marks: Marks, heard_s: float = 0.0) -> Living:
    return Living(marks=marks, last_heard_s=heard_s)


@pytest.mark.parametrize(
    ("publisher", "newcomer", "allowed"),
    [
        (living(VERIFIED), VERIFIED, True),
        (living(SECRET), SECRET, True),
        (living(BOTH), SECRET, True),
        (living(BOTH), VERIFIED, True),
        (living(BOTH), Marks(verified="another token", secret="s"), True),
        (living(VERIFIED), Marks(verified="w"), False),
        (living(SECRET), Marks(secret="t"), False),
        (living(SECRET), Marks(verified="s"), False),
        (living(VERIFIED), NOBODY, False),
        (living(NOBODY), NOBODY, False),
        (living(NOBODY, SILENT_S), NOBODY, False),
        (living(NOBODY, SILENT_S + 0.1), NOBODY, True),
        (living(SECRET, SILENT_S + 0.1), Marks(secret="t"), True),
        (living(VERIFIED, 60.0), Marks(verified="w"), False),
        (living(BOTH, 60.0), NOBODY, False),
    ],
)
def test_the_owner_decides_by_the_rule(publisher: Living, newcomer: Marks, allowed: bool) -> None:
    assert may_take_over(publisher, newcomer) is allowed


@pytest.mark.parametrize(
    ("connected", "settled_in_s", "newcomer", "expected"),
    [
        (True, 0.0, SECRET, Turn.NOW),
        (True, 1.0, SECRET, Turn.LATER),
        (False, 1.0, SECRET, Turn.NOW),
        (True, 1.0, NOBODY, Turn.NEVER),
        (False, 0.0, NOBODY, Turn.NEVER),
    ],
)
def test_two_rightful_ones_let_each_other_settle(
    connected: bool, settled_in_s: float, newcomer: Marks, expected: Turn
) -> None:
    there = Living(marks=SECRET, last_heard_s=0.0, connected=connected, settled_in_s=settled_in_s)

    assert turn(there, newcomer) is expected
