"""The policies put together: with room → nearest place → spread while idle → carrier → better of two.

Who takes sessions at all is said by `NodeDirectory.placeable`.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import NamedTuple

from rillcast.cluster.placement.candidates import Candidates, PoolKey
from rillcast.cluster.placement.carrying import Carriers, StreamKey
from rillcast.cluster.placement.limits import PlacementLimits
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.pending_joins import PendingJoins
from rillcast.cluster.placement.pool import Pool
from rillcast.cluster.placement.spreading import fewest_sessions
from rillcast.cluster.placement.two_choices import better_of_two
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import NodeKind

RETRY_AFTER_S = 3.0
STORE_RETRY_S = 5.0


class Placement:
    """Chooses nodes. There is one in each signaling instance. What is heard of nodes is told to it as it comes, with
    the time; a choice costs the same for any number of nodes."""

    def __init__(
        self,
        pending: PendingJoins,
        *,
        order: RegionOrder,
        limits: PlacementLimits,
        rng: random.Random,
        carriers: Carriers | None = None,
    ) -> None:
        self._rng = rng
        self.carriers = carriers or Carriers()
        self._edges = Candidates(pending, self.carriers, limits, order)
        self._origins = Candidates(pending, self.carriers, limits, order)
        self._unable: set[NodeId] = set()
        """Origins of which the store takes no writes: no stream can begin there."""

    # ---- what is heard

    def heard(self, report: NodeReport) -> None:
        """A heartbeat came. To be called before `changed` for the same one."""
        come, left = self.carriers.heard(report)
        self._edges.carried(report.info.node, come, left)

    def gone(self, report: NodeReport) -> None:
        """Its streams and viewers count no more. To be called for nodes of every kind."""
        left = self.carriers.gone(report.info.node)
        self._edges.carried(report.info.node, (), left)

    def changed(self, report: NodeReport, takes: bool, now: float) -> None:
        """A node takes new work and this is its last heartbeat, or it takes none any more. Called for each heartbeat
        (`NodeDirectory.on_placeable`)."""
        node, kind = report.info.node, report.info.kind
        if kind is NodeKind.ORIGIN:
            unable = takes and report.store_lost
            (self._unable.add if unable else self._unable.discard)(node)
            self._set(self._origins, report, takes and not unable, now)
        elif kind is NodeKind.EDGE:
            self._set(self._edges, report, takes, now)

    @staticmethod
    def _set(candidates: Candidates, report: NodeReport, takes: bool, now: float) -> None:
        if takes:
            candidates.takes(report, now)
        else:
            candidates.takes_no_more(report.info.node)

    # ---- choosing

    def viewer(self, stream: StreamKey, place: Place, now: float, excluded: Collection[NodeId] = ()) -> NodeId:
        """The edge for a viewer. Raises NO_NODE_AVAILABLE when there is none, HIGH_RESOURCE_USAGE when all are full.

        `excluded`: those that just refused this join, or are better avoided.
        """
        return self._choose(self._edges, _Wanted("edge", stream, place, excluded), now)

    def publisher(self, owner: NodeId | None, place: Place, now: float, excluded: Collection[NodeId] = ()) -> NodeId:
        """The origin for a publisher: the stream's `owner` while it stays, so nothing is handed over; else by load.
        Raises STORE_UNAVAILABLE when there are origins and the store takes no writes of any."""
        if self._unable and not self._origins:
            why = "the store takes no writes, so no stream can begin"
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, why, STORE_RETRY_S)
        if owner is not None and owner in self._origins and owner not in excluded:
            return owner
        return self._choose(self._origins, _Wanted("origin", None, place, excluded), now)

    def _choose(self, candidates: Candidates, wanted: _Wanted, now: float) -> NodeId:
        candidates.catch_up(now)
        for at, pool in candidates.nearest(wanted.place):
            node = self._of_pool(candidates, at, pool, wanted)
            if node is not None:
                return node
        kind = wanted.kind
        if len(candidates) <= sum(node in candidates for node in wanted.excluded):
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"no {kind} is ready to take a session", RETRY_AFTER_S)
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"every {kind} is at its limit", RETRY_AFTER_S)

    def _of_pool(self, candidates: Candidates, at: PoolKey, pool: Pool, wanted: _Wanted) -> NodeId | None:
        stream, excluded, rng = wanted.stream, wanted.excluded, self._rng
        carriers = {} if stream is None else self.carriers.nodes(stream)
        favoured = None if stream is None else candidates.favoured(stream, at)
        node = fewest_sessions(pool.idle, carriers, favoured, rng, excluded)
        if node is None and carriers:
            few = [carrier for carrier in carriers if candidates.is_favoured(carrier, at)] if favoured is None else []
            node = better_of_two(favoured or few, candidates.cost, rng, excluded)
        return node or better_of_two(pool.room, candidates.cost, rng, excluded)


class _Wanted(NamedTuple):
    kind: str
    stream: StreamKey | None
    place: Place
    excluded: Collection[NodeId]
