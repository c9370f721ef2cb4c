"""Leaving without a stampede: viewers are sent away one by one over the drain time, those whose client can be told over
its signaling socket first; plain WHEP clients, which can only be cut, last. Nobody is taken in meanwhile, and joins
under way are refused, so that signaling asks another edge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from rillcast.contracts.words import EndReason
from rillcast.node.background import BackgroundTasks
from rillcast.node.outbox import Outbox
from services.edge.domain.stage import Stage
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.usecases.session_end import TURN, SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays

SHARE_OF_TIME = 0.7
"""Share of the drain time over which viewers are sent away; the rest is for the last ones to get away."""
PARENTS_SHARE = 0.2
"""Share of the drain time in which parents hear that their relays are not needed any more."""
STEP_S = 0.1


class Drain:
    """Sends the viewers of an edge away, one by one over the time that it has."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        session_end: SessionEnd,
        *,
        outbox: Outbox,
        tasks: BackgroundTasks,
        drain_timeout_s: float,
        hears: Callable[[], object] = lambda: True,
    ) -> None:
        """`hears`: whether the bus is heard, so that viewers can be moved (`Bus.hearing`)."""
        self._hears = hears
        self._viewers = viewers
        self._session_end = session_end
        self._relays = relays
        self._outbox = outbox
        self._tasks = tasks
        self._over_s = drain_timeout_s * SHARE_OF_TIME
        self._parents_s = drain_timeout_s * PARENTS_SHARE

    async def drain(self) -> None:
        """End every session and every relay; done when the last is told. Call when joins are refused already."""
        for viewer in self._viewers:
            if viewer.stage is Stage.OPENING:
                self._session_end.forget(viewer, EndReason.DRAINING)
        leaving = deque(sorted(self._viewers, key=_only_cut))
        steps = max(1, int(self._over_s / STEP_S))
        per_step = max(1, -(-len(leaving) // steps))
        while leaving:
            if steps > 1 and not self._hears():  # nobody could be moved; what is left of the time is for all
                steps -= 1
                per_step = max(1, -(-len(leaving) // steps))
                await asyncio.sleep(STEP_S)
                continue
            steps = max(1, steps - 1)
            await self._end([leaving.popleft() for _ in range(min(per_step, len(leaving)))])
            await self._outbox.flush()
            await asyncio.sleep(STEP_S)
        self._relays.drop_all()
        await self._tasks.settle(self._parents_s)

    async def _end(self, viewers: list[Viewer]) -> None:
        for number, viewer in enumerate(viewers, 1):
            self._session_end.end(viewer, EndReason.DRAINING)
            if number % TURN == 0:
                await asyncio.sleep(0)


def _only_cut(viewer: Viewer) -> bool:
    """Whether there is no signaling socket over which the client could be told."""
    return viewer.request.sdp_offer is not None
