"""Viewers that were let in and do not show in the reports of the edges yet: those who are still to connect, and those
who have connected a moment ago. `now_s` is monotonic seconds."""

from __future__ import annotations

from collections import Counter

import msgspec

from rillcast.cluster.shares import HalfOpen
from rillcast.contracts.ids import AppName, SessionId, StreamId

LAG_S = 3.0
"""A viewer that has connected shows in what edges report after at most so long."""


class _Join(msgspec.Struct, frozen=True):
    app: AppName
    stream: StreamId
    at_s: float
    """When it connected; of those who are still to connect: until when they may."""


class RecentJoins:
    """Of apps and streams that have a limit. Bounded by these limits."""

    def __init__(self) -> None:
        self._coming: dict[SessionId, _Join] = {}
        self._to_app: dict[AppName, HalfOpen[SessionId]] = {}
        self._to_stream: dict[tuple[AppName, StreamId], HalfOpen[SessionId]] = {}
        self._came: dict[SessionId, _Join] = {}
        """The oldest first."""
        self._apps: Counter[AppName] = Counter()
        self._streams: Counter[tuple[AppName, StreamId]] = Counter()

    def __len__(self) -> int:
        return len(self._coming) + len(self._came)

    # ---- who is still to connect

    def add(
        self, app: AppName, stream: StreamId, session: SessionId, client: str, *, now_s: float, until_s: float
    ) -> None:
        """Somebody was let in, who has until then to connect. `client`: whose share of the places it takes."""
        self.drop(session)
        self._coming[session] = _Join(app, stream, until_s)
        self._to_app.setdefault(app, HalfOpen()).add(session, client, now_s)
        self._to_stream.setdefault((app, stream), HalfOpen()).add(session, client, now_s)

    def make_room(self, app: AppName, stream: StreamId | None, client: str, places: int, now_s: float) -> int | None:
        """Have others give way until one more of this client is among at most `places` (1 or more) who are still to
        connect, to the app or to one stream of it. How many gave way; None when there is no room."""
        self._forget(app, now_s)
        displaced = 0
        while True:
            coming = self._to_app.get(app) if stream is None else self._to_stream.get((app, stream))
            if coming is None or len(coming) < places:
                return displaced
            session = coming.gives_way(client, now_s)
            if session is None:
                return None
            self._drop_coming(session)
            displaced += 1

    # ---- who has connected

    def came(self, session: SessionId, now_s: float) -> bool:
        """It has connected. False when it has no place any more, or never had one; then nothing has changed."""
        join = self._drop_coming(session)
        if join is None:
            return False
        self.add_connected(join.app, join.stream, session, now_s)
        return True

    def add_connected(self, app: AppName, stream: StreamId, session: SessionId, now_s: float) -> None:
        """Somebody has connected who had no place."""
        self.drop(session)
        self._came[session] = _Join(app, stream, now_s)
        self._apps[app] += 1
        self._streams[app, stream] += 1

    def of_app(self, app: AppName, now_s: float) -> int:
        """How many have connected a moment ago, in the whole app."""
        self._forget_came(now_s)
        return self._apps[app]

    def of_stream(self, app: AppName, stream: StreamId, now_s: float) -> int:
        """How many, to one stream."""
        self._forget_came(now_s)
        return self._streams[app, stream]

    # ---- ends

    def drop(self, session: SessionId) -> None:
        """It is over, or not let in after all."""
        self._drop_coming(session)
        join = self._came.pop(session, None)
        if join is None:
            return
        key = join.app, join.stream
        self._apps[join.app] -= 1
        self._streams[key] -= 1
        if not self._apps[join.app]:
            del self._apps[join.app]
        if not self._streams[key]:
            del self._streams[key]

    def _drop_coming(self, session: SessionId) -> _Join | None:
        join = self._coming.pop(session, None)
        if join is None:
            return None
        key = join.app, join.stream
        self._to_app[join.app].drop(session)
        self._to_stream[key].drop(session)
        if not self._to_app[join.app]:
            del self._to_app[join.app]
        if not self._to_stream[key]:
            del self._to_stream[key]
        return join

    def _forget(self, app: AppName, now_s: float) -> None:
        """Their end is said as a rule. Who is never heard of again has had its time."""
        while (coming := self._to_app.get(app)) is not None:
            session = coming.oldest()
            if session is None or now_s < self._coming[session].at_s:
                return
            self._drop_coming(session)

    def _forget_came(self, now_s: float) -> None:
        while self._came:
            session, oldest = next(iter(self._came.items()))
            if now_s - oldest.at_s < LAG_S:
                return
            self.drop(session)
