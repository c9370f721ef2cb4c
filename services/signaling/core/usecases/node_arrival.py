"""Joins that find no node wait a moment for one: a cluster that has just started, an only node that is coming back.

A full cluster is another matter: there a refusal must be quick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.contracts.words import NodeKind
from services.signaling import metrics

LOOK_EVERY_S = 0.1
"""Nodes report each second, and at once when they become ready."""


class NodeArrival:
    """The place where joins wait for a node. One per signaling instance."""

    def __init__(self, *, wait_s: float, most: int) -> None:
        """`wait_s`: how long a join may wait, counted from its beginning. `most`: joins that wait at one time."""
        self.wait_s = wait_s
        self._most = most
        self._waiting = 0

    async def wait(
        self, kind: NodeKind, placeable: Callable[[], bool], *, until: float, left: asyncio.Event | None
    ) -> bool:
        """Whether `placeable` came true before `until` (the loop's time), the client still being there."""
        if asyncio.get_running_loop().time() >= until:
            return False
        if self._waiting >= self._most:
            metrics.NODE_WAITS.labels(kind.value, "too_many").inc()
            return False
        self._waiting += 1
        try:
            outcome = await self._look(placeable, until, left or asyncio.Event())
        finally:
            self._waiting -= 1
        metrics.NODE_WAITS.labels(kind.value, outcome).inc()
        return outcome == "found"

    async def _look(self, placeable: Callable[[], bool], until: float, left: asyncio.Event) -> str:
        loop = asyncio.get_running_loop()
        while not left.is_set():
            if placeable():
                return "found"
            patience_s = until - loop.time()
            if patience_s <= 0:
                return "in_vain"
            try:
                async with asyncio.timeout(min(LOOK_EVERY_S, patience_s)):
                    await left.wait()
            except TimeoutError:
                continue
        return "left"
