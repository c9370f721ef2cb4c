"""How many edges live in each zone, for whoever decides where a zone gets its copy of a track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from rillcast.cluster.placement.nearness import Place
from rillcast.contracts.messages import NodeReport

COUNTED_EVERY_S = 1.0
"""A count looks at every edge, and when a stream begins all of them ask in the same second."""


class ZoneSizes:
    """One per node that feeds others."""

    def __init__(self, edges: Callable[[], Iterable[NodeReport]], clock: Callable[[], float]) -> None:
        """`edges`: the last reports of those that live."""
        self._edges = edges
        self._clock = clock
        self._sizes: Counter[Place] = Counter()
        self._again_at = 0.0

    def at(self, place: Place) -> int:
        """The number of edges in a zone, no older than a second. 0 where the zone is not known."""
        if not place.zone:
            return 0
        if self._clock() >= self._again_at:
            self._again_at = self._clock() + COUNTED_EVERY_S
            self._sizes = Counter(Place(report.info.region, report.info.zone) for report in self._edges())
        return self._sizes[place]
