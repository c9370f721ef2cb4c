"""`ports.Audience` from the edges' heartbeats."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.cluster.placement import Carriers
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.words import NodeKind
from services.signaling.core.ports import Reports


class DirectoryAudience:
    """Counts what the edges last said. Shares its index with placement."""

    def __init__(self, reports: Reports, carriers: Carriers, clock: Callable[[], float]) -> None:
        self._reports = reports
        self._carriers = carriers
        self._clock = clock

    def viewers(self, app: AppName, stream: StreamId) -> int:
        """How many viewers a stream has at all edges, as their last heartbeats say."""
        return self._fresh().viewers(app, stream)

    def viewers_of_app(self, app: AppName) -> int:
        """How many viewers all streams of an app have in the cluster."""
        return self._fresh().viewers_of_app(app)

    def _fresh(self) -> Carriers:
        now = self._clock()
        if self._carriers.stale(now):
            self._carriers.gather(self._reports.nodes(NodeKind.EDGE).values(), now)
        return self._carriers
