"""Wrong codes of subscribers: who may not try another one for a while. Each signaling instance counts those that were
shown to it, and those of which the others tell.

Three counts are kept. One is of a subscriber from an address, so that guessing locks only the guesser out. One is of an
address over all subscribers. One is of a subscriber over all addresses, so that many addresses together do not get more
tries. The last two do not concern addresses from which a code of that subscriber was right before: strangers elsewhere,
however many, cannot lock it out there. For others the last one has a token each half hour, so that nobody is locked out
for longer than others try.

An address that many share, because a proxy does not name its clients, is not locked: one of them would lock all the
others out. Only the count of the subscriber holds there.

Three codes of a million are right at one time. All strangers together have `BURST` + 2 * 24 * 365 = 17 570 tries of one
subscriber in a year, which hits 0.05 times. An address from which the subscriber itself comes has 5 in each hour, if
it never shows a right code, which hits 0.13 times in a year.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum

import msgspec

from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.guess_lock import GuessLock, address_block


class LockedBy(StrEnum):
    """Which count keeps a code from being looked at: the labels of ``rillcast_signaling_guesses_locked_total``."""

    CLIENT = "client"
    """That of one subscriber from one address."""
    SUBSCRIBER = "subscriber"
    ADDRESS = "address"


BURST = 50
"""Wrong codes of one subscriber from addresses that it has not come from, at once."""
PER_S = 1 / 1_800
"""How many more of them there may be in a second: one in half an hour."""
MOST = 100_000
"""Counts of one kind, and addresses from which codes were right; the oldest are forgotten."""


class Guesser(msgspec.Struct, frozen=True, kw_only=True):
    """Who shows a code."""

    subscriber: str
    """The key of the subscriber that it says it is."""
    address: str
    shared: bool
    """See `Client.shared`."""


class Guesses:
    """One per signaling instance. `now_s`: monotonic seconds."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._clients = GuessLock(tries=5, first_s=60.0, longest_s=3_600.0, most=most)
        self._addresses = GuessLock(tries=100, first_s=300.0, longest_s=3_600.0, most=most)
        self._subscribers = ClientRate(PER_S, BURST, most)
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Subscribers, and addresses from which a code of theirs was right."""

    def locked(self, guesser: Guesser, now_s: float) -> tuple[LockedBy, float] | None:
        """What keeps its code from being looked at, and for how many seconds; None = nothing."""
        block = address_block(guesser.address)
        pair, is_seen = (guesser.subscriber, block), self._is_seen(guesser)
        waits: dict[LockedBy, float] = {}
        if not guesser.shared:
            waits[LockedBy.CLIENT] = self._clients.locked_for_s(pair, now_s)
            waits[LockedBy.ADDRESS] = 0.0 if is_seen else self._addresses.locked_for_s(block, now_s)
        waits[LockedBy.SUBSCRIBER] = 0.0 if is_seen else self._subscribers.wait_s(guesser.subscriber, now_s)
        by = max(waits, key=waits.__getitem__)
        return (by, waits[by]) if waits[by] > 0 else None

    def wrong(self, guesser: Guesser, now_s: float) -> None:
        """A code was wrong."""
        block, is_seen = address_block(guesser.address), self._is_seen(guesser)
        if not guesser.shared:
            self._clients.wrong((guesser.subscriber, block), now_s)
            self._addresses.wrong(block, now_s)
        if not is_seen:
            self._subscribers.take(guesser.subscriber, now_s)

    def right(self, guesser: Guesser) -> None:
        """A code was right: what was wrong of this subscriber from this address is forgiven."""
        if guesser.shared:
            return
        pair = (guesser.subscriber, address_block(guesser.address))
        self._clients.right(pair)
        self._seen[pair] = None
        self._seen.move_to_end(pair)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def _is_seen(self, guesser: Guesser) -> bool:
        return not guesser.shared and (guesser.subscriber, address_block(guesser.address)) in self._seen
