"""When a certificate is ordered, and whose turn it is. All times are Unix seconds."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

RENEW_AT = 2 / 3
"""Of a certificate's life: 30 days before the end of one for 90 days."""
ORDER_TAKES_S = 300.0
"""At the longest. Then another instance may order."""
FIRST_RETRY_S = 600.0
LONGEST_RETRY_S = 6 * 3_600.0
"""Authorities count failures: Let's Encrypt takes five an hour for a name."""
MOST_FAILURES = 1_000
"""More are not counted; the wait is the longest long before."""


class Turn(msgspec.Struct, frozen=True):
    """Of the instance that orders. It lies in the store: one orders at a time, and all wait after a failure."""

    holder: str
    """A node's id; empty while all wait."""
    until: float
    failures: int = 0
    """One after the other."""


def is_due(
    names: Collection[str], valid_for: Collection[str], *, starts_at: float, expires_at: float, now: float
) -> bool:
    """Whether a certificate that is valid for `valid_for` from `starts_at` to `expires_at` is to be replaced by one for
    `names`."""
    return not set(names) <= set(valid_for) or now >= starts_at + (expires_at - starts_at) * RENEW_AT


def next_turn(turn: Turn | None, node: str, now: float) -> Turn | None:
    """The turn that `node` may take now; None while another one has it, or all wait. Its own it has after a restart."""
    if turn is not None and turn.holder != node and now < turn.until <= now + LONGEST_RETRY_S:
        return None
    return Turn(node, now + ORDER_TAKES_S, turn.failures if turn is not None else 0)


def after_failure(turn: Turn, now: float) -> Turn:
    """Nobody's turn for a while, longer each time."""
    wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(turn.failures, 10))
    return Turn("", now + wait_s, min(turn.failures + 1, MOST_FAILURES))
