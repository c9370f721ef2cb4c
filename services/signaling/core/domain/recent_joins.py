"""Viewers that were let in a moment ago, and do not show in the reports of the edges yet."""

from __future__ import annotations

from collections import Counter, deque

from rillcast.contracts.ids import AppName, StreamId

LAG_S = 3.0
"""A viewer shows in what edges report after at most so long: the time until it connects apart, which is the price of a
limit that holds also when many come at once."""


class RecentJoins:
    """Of apps and streams that have a limit. Bounded by these limits."""

    def __init__(self) -> None:
        self._joins: deque[tuple[float, AppName, StreamId]] = deque()
        self._apps: Counter[AppName] = Counter()
        self._streams: Counter[tuple[AppName, StreamId]] = Counter()

    def __len__(self) -> int:
        return len(self._joins)

    def add(self, app: AppName, stream: StreamId, now_s: float) -> None:
        """Somebody was let in. `now_s`: monotonic seconds."""
        self._joins.append((now_s, app, stream))
        self._apps[app] += 1
        self._streams[app, stream] += 1

    def of_app(self, app: AppName, now_s: float) -> int:
        """How many, in the whole app."""
        self._forget(now_s)
        return self._apps[app]

    def of_stream(self, app: AppName, stream: StreamId, now_s: float) -> int:
        """How many, to one stream."""
        self._forget(now_s)
        return self._streams[app, stream]

    def _forget(self, now_s: float) -> None:
        while self._joins and now_s - self._joins[0][0] >= LAG_S:
            _, app, stream = self._joins.popleft()
            self._apps[app] -= 1
            self._streams[app, stream] -= 1
            if not self._apps[app]:
                del self._apps[app]
            if not self._streams[app, stream]:
                del self._streams[app, stream]
