"""Viewers that were let in a moment ago, and do not show in the reports of the edges yet."""

from __future__ import annotations

from collections import Counter

import msgspec

from rillcast.contracts.ids import AppName, SessionId, StreamId

LAG_S = 3.0
"""A viewer shows in what edges report after at most so long: the time until it connects apart, which is the price of a
limit that holds also when many come at once."""


class _Join(msgspec.Struct, frozen=True):
    at_s: float
    app: AppName
    stream: StreamId


class RecentJoins:
    """Of apps and streams that have a limit. Bounded by these limits."""

    def __init__(self) -> None:
        self._joins: dict[SessionId, _Join] = {}
        """The oldest first."""
        self._apps: Counter[AppName] = Counter()
        self._streams: Counter[tuple[AppName, StreamId]] = Counter()

    def __len__(self) -> int:
        return len(self._joins)

    def add(self, app: AppName, stream: StreamId, session: SessionId, now_s: float) -> None:
        """Somebody was let in. `now_s`: monotonic seconds."""
        self.drop(session)
        self._joins[session] = _Join(now_s, app, stream)
        self._apps[app] += 1
        self._streams[app, stream] += 1

    def drop(self, session: SessionId) -> None:
        """It is over, or not let in after all."""
        join = self._joins.pop(session, None)
        if join is None:
            return
        key = join.app, join.stream
        self._apps[join.app] -= 1
        self._streams[key] -= 1
        if not self._apps[join.app]:
            del self._apps[join.app]
        if not self._streams[key]:
            del self._streams[key]

    def of_app(self, app: AppName, now_s: float) -> int:
        """How many, in the whole app."""
        self._forget(now_s)
        return self._apps[app]

    def of_stream(self, app: AppName, stream: StreamId, now_s: float) -> int:
        """How many, to one stream."""
        self._forget(now_s)
        return self._streams[app, stream]

    def _forget(self, now_s: float) -> None:
        while self._joins:
            session, oldest = next(iter(self._joins.items()))
            if now_s - oldest.at_s < LAG_S:
                return
            self.drop(session)
