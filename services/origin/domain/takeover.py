"""Who may have a stream id that is already live. The owner of the living session decides, by this rule:

1. Whoever was verified to be the same (token, subscriber), or holds the secret that we issued with the living publish,
   is the same publisher: it takes over, whatever its old session does.
2. Anybody else never displaces a publisher who was verified. The id stays reserved for it until its session ends and
   its grace time is over.
3. Anybody else displaces a publisher who was not verified once nothing was received from it for 3 s, whatever became of
   its session. So a client that can't keep a secret gets its stream back, and one that can has a head start.

When the owner has ended, this holds for the origin that is asked next, by what the record says. A publisher that can be
moved is not silent then: the stream is kept for it until the record expires.

An address and a user agent say nothing. Whoever may, takes over when its own media has arrived, and not before.
"""

from __future__ import annotations

import hmac
from enum import Enum, auto

import msgspec

SILENT_S = 3.0
"""A publisher that sends audio or video is heard at least every 20 ms; WiFi handovers take up to 2 s."""
SETTLED_S = 3.0
"""How long a session that took over after some others has the stream for itself while it is connected: two who both may
have the stream do not take it from each other more often."""
QUICK_IN_A_ROW = 3
"""So many take-overs follow each other without a wait: of a page that is reloaded twice, of a client that dies again
just after its return. A session that died without a word looks connected, and its viewers see nothing meanwhile."""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """By what a publisher can be known again: digests, of which an empty one proves nothing."""

    verified: str = ""
    """Of the identity that admission has verified."""
    secret: str = ""
    """Of the secret that signaling issued."""


class Living(msgspec.Struct, frozen=True, kw_only=True):
    """The session that has the stream now."""

    marks: Marks
    last_heard_s: float
    """How long ago its last packet came."""
    connected: bool = True
    """Whether the session itself is there."""
    settled_in_s: float = 0.0
    """How much is left of the time that a session has for itself; 0 after few take-overs."""


class Turn(Enum):
    """When a newcomer whose media has arrived gets a living stream."""

    NOW = auto()
    LATER = auto()
    NEVER = auto()


def settled_at(before: float, now: float) -> float:
    """Until when a session that takes over now has the stream for itself. `before`: the same of the session before it;
    minus infinity if there was none. Monotonic seconds, perhaps past ones: each take-over adds `SETTLED_S`, and the
    first of several are free."""
    return max(before, now - (QUICK_IN_A_ROW - 1) * SETTLED_S) + SETTLED_S


def may_take_over(living: Living, newcomer: Marks) -> bool:
    """Whether a newcomer gets the stream once its media has arrived."""
    if is_same_publisher(living.marks, newcomer):
        return True
    return living.last_heard_s > SILENT_S and not living.marks.verified


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of a stream whose owner is not asked."""

    marks: Marks
    """Of the publisher that it had."""
    claim: str
    movable: bool
    """Whether that publisher is being moved, if its origin has ended."""


def may_inherit(left: Left, newcomer: Marks, ownerless_claim: str) -> bool:
    """Whether a newcomer gets a stream at once whose record lies in the store, without a word of its owner.
    `ownerless_claim`: that whose owner has ended, as signaling says. Nothing is received any more from a publisher
    whose origin has ended, so rule 3 holds, and rule 2 too. But who is being moved has done nothing to lose its stream,
    and is back in a moment: it has as long as the record lasts."""
    if is_same_publisher(left.marks, newcomer):
        return True
    is_ownerless = bool(ownerless_claim) and left.claim == ownerless_claim
    return is_ownerless and not left.movable and not left.marks.verified


def turn(living: Living, newcomer: Marks) -> Turn:
    """What becomes of a newcomer whose media has arrived. Asked again while it is LATER."""
    if not may_take_over(living, newcomer):
        return Turn.NEVER
    return Turn.LATER if living.connected and living.settled_in_s > 0 else Turn.NOW


def is_same_publisher(one: Marks, other: Marks) -> bool:
    """Whether rule 1 holds: the same verified identity, or the same secret."""
    return _same(one.verified, other.verified) or _same(one.secret, other.secret)


def _same(one: str, other: str) -> bool:
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
