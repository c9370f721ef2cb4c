"""The last joins and their fates, out of the events of the journal."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import msgspec

from rillcast.contracts.event_records import ClusterEvent

MOST_JOINS = 10_000
"""Joins that are remembered, the newest ones."""
MOST_BYTES = 16 * 1024 * 1024
"""How much they may be, as JSON."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which joins are wanted. What is empty does not matter."""

    app: str = ""
    stream: str = ""
    role: str = ""
    node: str = ""
    """Where it is, or was."""
    zone: str = ""
    who: str = ""
    reason: str = ""
    since_ms: int = 0
    """It was there at this time or later."""
    until_ms: int = 0
    """It was there at this time or before; 0 = whenever."""

    def fits(self, event: ClusterEvent) -> bool:
        """Whether a join is one of them."""
        fate = event.session
        if fate is None or (self.app and self.app != event.app) or (self.stream and self.stream != event.stream):
            return False
        if fate.ended_ms and fate.ended_ms < self.since_ms:
            return False
        if self.until_ms and (fate.asked_ms or fate.ended_ms) > self.until_ms:
            return False
        if self.node and self.node != event.node and all(move.left != self.node for move in fate.trail):
            return False
        pairs = (
            (self.role, fate.role.value),
            (self.zone, event.zone),
            (self.who, fate.who),
            (self.reason, fate.reason),
        )
        return all(not wanted or wanted == found for wanted, found in pairs)


class _Join(NamedTuple):
    event: ClusterEvent
    size: int


class SessionHistory:
    """Each join with the last that was heard of it."""

    def __init__(self, most: int = MOST_JOINS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._joins: OrderedDict[str, _Join] = OrderedDict()
        self.size = 0
        """Bytes of all of them."""

    def __len__(self) -> int:
        """Joins that are remembered."""
        return len(self._joins)

    def apply(self, event: ClusterEvent, size: int) -> None:
        """Events without a session, and those that come late, change nothing. `size`: about as many bytes of JSON."""
        fate = event.session
        if fate is None:
            return
        known = self._joins.get(fate.id)
        if known is not None:
            if known.event.session is not None and known.event.session.ended_ms:
                return
            self.size -= known.size
        self._joins[fate.id] = _Join(event, size)
        self.size += size
        while len(self._joins) > self._most or self.size > self._most_bytes:
            _, gone = self._joins.popitem(last=False)
            self.size -= gone.size

    def get(self, join: str) -> ClusterEvent | None:
        """The last that was heard of one join, by the id of its fate."""
        known = self._joins.get(join)
        return None if known is None else known.event

    def newest(self) -> list[ClusterEvent]:
        """The last that was heard of each join, the newest join first."""
        return [join.event for join in reversed(self._joins.values())]
