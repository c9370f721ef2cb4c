"""Policy: an edge that has the stream needs no further relay and starts the viewer from its own keyframe ring."""

from __future__ import annotations

from collections.abc import Iterable

from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import NodeReport

REFRESH_S = 1.0
"""In seconds: as often as nodes report."""


class Carriers:
    """Which edges carry which streams. It is gathered from reports at most once in `REFRESH_S`, since each may name
    500 streams."""

    def __init__(self) -> None:
        self._gathered_at: float | None = None
        self._nodes: dict[tuple[AppName, StreamId], set[NodeId]] = {}
        self._viewers: dict[tuple[AppName, StreamId], int] = {}
        self._viewers_of_app: dict[AppName, int] = {}

    def stale(self, now: float) -> bool:
        """Whether `gather` is due."""
        return self._gathered_at is None or now - self._gathered_at >= REFRESH_S

    def gather(self, edges: Iterable[NodeReport], now: float) -> None:
        """Take in the latest reports of the edges."""
        self._gathered_at = now
        self._nodes, self._viewers, self._viewers_of_app = {}, {}, {}
        for report in edges:
            for carried in report.carried:
                key = (carried.app, carried.stream)
                self._nodes.setdefault(key, set()).add(report.info.node)
                self._viewers[key] = self._viewers.get(key, 0) + carried.viewers
                self._viewers_of_app[carried.app] = self._viewers_of_app.get(carried.app, 0) + carried.viewers

    def nodes(self, app: AppName, stream: StreamId) -> frozenset[NodeId]:
        """The edges that have the stream."""
        return frozenset(self._nodes.get((app, stream), ()))

    def viewers(self, app: AppName, stream: StreamId) -> int:
        """How many viewers one stream has in the whole cluster."""
        return self._viewers.get((app, stream), 0)

    def viewers_of_app(self, app: AppName) -> int:
        """How many viewers all streams of an app have in the whole cluster."""
        return self._viewers_of_app.get(app, 0)
