"""Leaving without a stampede: viewers are sent away one by one, those whose client can be told over its signaling
socket first. They stay until another edge has them, so that their picture goes on. Plain WHEP clients, which can only
be cut, go last. Nobody is taken in meanwhile, and joins under way are refused, so that signaling asks another edge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from rillcast.contracts.words import EndReason
from rillcast.node.background import BackgroundTasks
from rillcast.node.outbox import Outbox
from rillcast.runtime.process.departure import Departure, Left, Load
from services.edge.domain.stage import Stage
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.usecases.downstream_relays import DownstreamRelays
from services.edge.usecases.session_end import TURN, SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays

TOLD_BY = 0.6
"""Share of the drain time over which viewers are told to go."""
MOVED_BY = 0.85
"""Share of the drain time by which they must have gone."""
MOVE_S = 5.0
"""How long a viewer who was told may stay: its client has to connect to another edge. After that it is cut off."""
CUT_FROM = 0.7
"""Share of the drain time for which those who can only be cut are left alone, unless the process is about to end."""
CUT_BY = 0.95
PARENTS_S = 2.0
"""How long parents may take to hear that their relays are not needed any more."""
STEP_S = 0.1


class Drain:
    """Sends the viewers of an edge away, one by one over the time that it has. It is a `Leaves`."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        downstream: DownstreamRelays,
        session_end: SessionEnd,
        *,
        outbox: Outbox,
        tasks: BackgroundTasks,
        hears: Callable[[], object] = lambda: True,
    ) -> None:
        """`hears`: whether the bus is heard, so that viewers can be moved (`Bus.hearing`)."""
        self._hears = hears
        self._viewers = viewers
        self._session_end = session_end
        self._relays = relays
        self._downstream = downstream
        self._outbox = outbox
        self._tasks = tasks
        self._told: dict[Viewer, float] = {}
        """When each of them was told to go."""

    async def leave(self, departure: Departure) -> None:
        """End every session and every relay. Children of this edge have until then to find another parent. Call when
        joins are refused already."""
        self._downstream.leave()
        for viewer in self._viewers:
            if viewer.stage is Stage.OPENING:
                self._session_end.forget(viewer, EndReason.DRAINING)
        told = deque(viewer for viewer in self._viewers if not _only_cut(viewer))
        await self._spread(told, departure, TOLD_BY, partial(self._tell, departure))
        await self._until_moved(departure)
        if not departure.ending and len(self._viewers):
            await self._wait_until(departure, CUT_FROM)
        await self._spread(deque(self._viewers), departure, CUT_BY, partial(self._cut_off, departure))
        await self._wait_for_children(departure)
        self._end_relays()
        await self._tasks.settle(min(PARENTS_S, departure.left_s))

    def left(self) -> Left:
        """See `Leaves.left`."""
        return {Load.VIEWERS: len(self._viewers), Load.RELAYS: len(self._downstream)}

    def named(self) -> Iterable[tuple[Load, str]]:
        """See `Leaves.named`."""
        return ((Load.VIEWERS, _name(viewer)) for viewer in self._viewers)

    async def cut(self) -> None:
        """See `Leaves.cut`."""
        await self._end(list(self._viewers))
        self._end_relays()
        await self._tasks.settle(PARENTS_S)

    def stay(self) -> None:
        """See `Leaves.stay`. Who was told to go goes."""
        self._told.clear()

    async def _spread(
        self, viewers: deque[Viewer], departure: Departure, until: float, act: Callable[[Viewer], None]
    ) -> None:
        """`act` on each, evenly until this share of the time is over. While nobody can be moved, what is left of it is
        for all."""
        while viewers:
            steps = max(1, int(departure.left_before(until) / STEP_S))
            if not self._may_go(departure) and (steps > 1 or not departure.ending):
                await asyncio.sleep(STEP_S)
                continue
            for number in range(1, min(len(viewers), max(1, -(-len(viewers) // steps))) + 1):
                act(viewers.popleft())
                if number % TURN == 0:
                    await asyncio.sleep(0)
            await self._outbox.flush()
            self._end_late(departure)
            await asyncio.sleep(STEP_S)

    def _tell(self, departure: Departure, viewer: Viewer) -> None:
        if departure.elsewhere():
            self._told[viewer] = asyncio.get_running_loop().time()
            self._session_end.send_away(viewer, EndReason.DRAINING)
        else:
            self._cut_off(departure, viewer)

    def _cut_off(self, departure: Departure, viewer: Viewer) -> None:
        if viewer.stage is not Stage.ENDED:
            departure.was_cut(Load.VIEWERS, _name(viewer))
            self._session_end.end(viewer, EndReason.DRAINING)

    async def _until_moved(self, departure: Departure) -> None:
        while self._told and departure.left_before(MOVED_BY):
            self._end_late(departure)
            await asyncio.sleep(STEP_S)
        for viewer in tuple(self._told):
            self._cut_off(departure, viewer)
        self._told.clear()

    def _end_late(self, departure: Departure) -> None:
        """Of those who were told: forget who has gone, and end who has not gone in `MOVE_S`."""
        oldest = asyncio.get_running_loop().time() - MOVE_S
        for viewer, told_at in tuple(self._told.items()):
            if told_at < oldest:
                self._cut_off(departure, viewer)
            if viewer.stage is Stage.ENDED:
                del self._told[viewer]

    def _may_go(self, departure: Departure) -> bool:
        """Whether somebody who is sent away finds another edge. A process that ends does not wait for one."""
        return bool(self._hears()) and (departure.ending or departure.elsewhere())

    async def _wait_until(self, departure: Departure, share: float) -> None:
        while left_s := departure.left_before(share):
            if departure.ending or not len(self._viewers):
                return
            await asyncio.sleep(min(STEP_S, left_s))

    async def _wait_for_children(self, departure: Departure) -> None:
        for _ in range(int(min(PARENTS_S, departure.left_s / 2) / STEP_S)):
            if not self._downstream:
                return
            await asyncio.sleep(STEP_S)

    def _end_relays(self) -> None:
        self._downstream.end_all()
        self._relays.drop_all()

    async def _end(self, viewers: list[Viewer]) -> None:
        for number, viewer in enumerate(viewers, 1):
            self._session_end.end(viewer, EndReason.DRAINING)
            if number % TURN == 0:
                await asyncio.sleep(0)


def _only_cut(viewer: Viewer) -> bool:
    """Whether there is no signaling socket over which the client could be told."""
    return viewer.request.sdp_offer is not None


def _name(viewer: Viewer) -> str:
    first = viewer.request.subscriptions[0] if viewer.request.subscriptions else None
    stream = f"{first.app}/{first.stream}" if first else "data"
    return f"viewer {viewer.session} of {stream}"[:256]
