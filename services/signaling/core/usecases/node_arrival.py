"""Joins that find no node wait a moment for one: a cluster that has just started, an only node that is coming back.

A full cluster is another matter: there a refusal must be quick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.words import NodeKind
from services.signaling import metrics

LOOK_EVERY_S = 0.1
"""Nodes report each second, and at once when they become ready."""


class Awaited(StrEnum):
    """What came of waiting for a node: the labels of ``rillcast_signaling_node_waits_total``."""

    FOUND = "found"
    IN_VAIN = "in_vain"
    LEFT = "left"
    """The client went while it waited."""
    TOO_MANY = "too_many"
    """Others wait already, so this one did not."""


class NodeArrival:
    """The place where joins wait for a node. One per signaling instance."""

    def __init__(self, *, wait_s: float, most: int) -> None:
        """`wait_s`: how long a join may wait, counted from its beginning. `most`: joins that wait at one time."""
        self.wait_s = wait_s
        self._places = SharedPlaces(most)

    async def wait(
        self,
        kind: NodeKind,
        placeable: Callable[[], bool],
        *,
        until: float,
        left: asyncio.Event | None,
        client: str = "",
    ) -> bool:
        """Whether `placeable` came true before `until` (the loop's time), the client still being there. `client`: whose
        share of the places it takes; see `Client.counted_as`."""
        if asyncio.get_running_loop().time() >= until:
            return False
        if refused := self._places.take(client):
            metrics.NODE_WAITS.labels(kind.value, Awaited.TOO_MANY).inc()
            metrics.PLACES_REFUSED.labels("node_wait", refused).inc()
            return False
        try:
            outcome = await self._look(placeable, until, left or asyncio.Event())
        finally:
            self._places.leave(client)
        metrics.NODE_WAITS.labels(kind.value, outcome).inc()
        return outcome is Awaited.FOUND

    async def _look(self, placeable: Callable[[], bool], until: float, left: asyncio.Event) -> Awaited:
        loop = asyncio.get_running_loop()
        while not left.is_set():
            if placeable():
                return Awaited.FOUND
            patience_s = until - loop.time()
            if patience_s <= 0:
                return Awaited.IN_VAIN
            try:
                async with asyncio.timeout(min(LOOK_EVERY_S, patience_s)):
                    await left.wait()
            except TimeoutError:
                continue
        return Awaited.LEFT
