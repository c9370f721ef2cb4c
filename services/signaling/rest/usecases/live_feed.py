"""Works out what consoles are shown, once for all of them, a few times a second, and only while somebody looks.

What that costs is bounded: after each round it rests nine times as long as the round took, and at least `TICK_S`. So
with very many streams consoles are told less often, and joins are not kept waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.contracts.ids import NodeId
from rillcast.node.background import BackgroundTasks
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import no_place
from services.signaling.core.domain.session_history import SessionHistory
from services.signaling.core.usecases.event_feed import Happened
from services.signaling.rest.domain.live_ask import Ask, View
from services.signaling.rest.domain.live_delta import Moment, Picture
from services.signaling.rest.domain.live_nodes import SeenNode, node_page, one_node, overview
from services.signaling.rest.domain.live_rows import MoveRow, Told, ViewerHead
from services.signaling.rest.domain.live_streams import one_stream, stream_page
from services.signaling.rest.domain.session_shapes import Alive, join_status
from services.signaling.rest.usecases.live_channel import Channel, LiveListener
from services.signaling.rest.usecases.live_looks import LiveLooks
from services.signaling.rest.usecases.live_world import LiveWorld, walked

TICK_S = 0.25
SOON_S = 0.02
"""So long after a node went away it is told: others may go with it."""
RESTS = 9
LOOK_S = 2.0
"""How often edges are asked about a stream or a viewer that somebody looks at."""
MOST_EVENTS = 500
"""Events of one round, and those that are kept for whoever begins to look."""
MOST_MOVES = 100
_LOUD = frozenset({EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT, EventKind.VIEWER_MOVED})
"""Not told one by one to those who look at the whole cluster."""


class LiveFeed:
    """One per signaling instance."""

    def __init__(
        self,
        world: LiveWorld,
        looks: LiveLooks,
        history: SessionHistory,
        tasks: BackgroundTasks,
        *,
        most: int,
        version: str,
        alive: Alive,
        note: Callable[[NodeId], str],
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
        busy: Callable[[], float] = time.thread_time,
    ) -> None:
        """`most`: consoles at one time. `note`: what an operator wrote about a node. `clock`: monotonic seconds.
        `busy`: seconds of the processor that this thread has had."""
        self._world = world
        self._looks = looks
        self._history = history
        self._tasks = tasks
        self._most = most
        self._places = SharedPlaces(most)
        self._version = version
        self._alive = alive
        self._note = note
        self._clock = clock
        self._wall_ms = wall_ms
        self._busy = busy
        self._channels: dict[Ask, Channel] = {}
        self._news: list[Told] = []
        self._moves: Counter[tuple[str, str]] = Counter()
        self._recent: deque[Told] = deque(maxlen=MOST_EVENTS)
        self._somebody = asyncio.Event()
        self._soon = asyncio.Event()
        """Set when something is to be told at once."""
        self._turned = asyncio.Event()
        """Set when somebody looks at another page of streams."""
        self._ended = False
        self._indexed = asyncio.Event()
        """Set when all streams were looked at since somebody began to look."""
        self._every_s = self._streams_every_s = TICK_S

    def __len__(self) -> int:
        """How many look."""
        return sum(len(channel.listeners) for channel in self._channels.values())

    # ---- who looks

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """One of the places of consoles. `client`: who shares them, as `Client.counted_as`. Raises
        HIGH_RESOURCE_USAGE when there is none, and NO_NODE_AVAILABLE when this instance goes away."""
        if self._ended:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this instance is going away; ask another one", 1.0)
        if refused := self._places.take(client):
            metrics.PLACES_REFUSED.labels("live", refused).inc()
            raise no_place(f"of {self._most} places for consoles none is left", refused)
        try:
            yield
        finally:
            self._places.leave(client)

    @contextmanager
    def listening(self, ask: Ask) -> Iterator[LiveListener]:
        """To be told of one part of the cluster. Whoever listens has a `place`."""
        channel = self._channels.get(ask)
        if channel is None:
            channel = self._channels[ask] = Channel(ask)
        listener = LiveListener(channel)
        if self._ended:
            listener.end()
        channel.listeners.add(listener)
        metrics.CONSOLES.inc()
        self._somebody.set()
        (self._turned if ask.view is View.STREAMS else self._soon).set()
        try:
            yield listener
        finally:
            metrics.CONSOLES.dec()
            channel.listeners.discard(listener)
            if not channel.listeners and self._channels.get(ask) is channel:
                del self._channels[ask]
                if channel.looking is not None:
                    channel.looking.cancel()

    async def end(self) -> None:
        """This instance goes away: let everybody go, and nobody in."""
        self._ended = True
        for channel in self._channels.values():
            for listener in channel.listeners:
                listener.end()

    # ---- what happens

    def happened(self, events: list[Happened]) -> None:
        """Take in what the journal tells."""
        for one in events:
            told = Told(id=f"{one.place}-{one.part}", event=one.event)
            self._recent.append(told)
            if self._channels and len(self._news) < MOST_EVENTS:
                self._news.append(told)
                fate = one.event.session
                if one.event.kind is EventKind.VIEWER_MOVED and fate is not None and fate.trail:
                    self._moves[fate.trail[-1].left, one.event.node] += 1

    def node_changed(self, _report: object) -> None:
        """A node is gone: that is told soon."""
        self._soon.set()

    # ---- telling it

    async def run(self) -> NoReturn:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_of_streams())
            while True:
                if not self._channels:
                    self._somebody.clear()
                    self._indexed.clear()
                    await self._somebody.wait()
                await self._indexed.wait()
                self._soon.clear()
                took_s = await self._timed(self._round)
                self._every_s = await _rest(took_s, self._soon)

    async def _tell_of_streams(self) -> NoReturn:
        """Those that look at all streams are told apart from the others, who need not wait for that."""
        while True:
            await self._somebody.wait()
            took_s = await self._timed(self._round_of_streams)
            self._indexed.set()
            until = self._clock() + max(TICK_S, RESTS * took_s)
            self._streams_every_s = until - self._clock() + took_s
            while (left_s := until - self._clock()) > 0:
                self._turned.clear()
                await self._show_pages(new=True)
                await _soon(left_s, self._turned)

    async def _timed(self, work: Callable[[], Awaitable[None]]) -> float:
        """How much time of the processor it took, with what others did in between: the more there is to do, the longer
        consoles wait."""
        began = self._busy()
        await work()
        took_s = self._busy() - began
        metrics.LIVE_ROUND_SECONDS.observe(took_s)
        return took_s

    async def _round_of_streams(self) -> None:
        await self._world.look_at_streams()
        await self._show_pages(new=False)

    async def _show_pages(self, *, new: bool) -> None:
        """Pages of streams, as all streams were when they were looked at last. `new`: those alone that have not been
        shown, so that whoever turns a page need not wait."""
        for channel in self._looked_at(streams=True):
            if channel.seq and new:
                continue
            picture = await walked(stream_page(self._world.index.streams, channel.ask, self._world.row))
            channel.show(picture, Moment(self._wall_ms(), _every_ms(self._streams_every_s)))
            await asyncio.sleep(0)

    async def _round(self) -> None:
        news, self._news = tuple(self._news), []
        moves = tuple(
            MoveRow(left=left, to=to, viewers=viewers) for (left, to), viewers in self._moves.most_common(MOST_MOVES)
        )
        self._moves.clear()
        nodes = self._world.nodes()
        for channel in self._looked_at(streams=False):
            ask = channel.ask
            self._look_closer(channel)
            events = self._recent if channel.seq == 0 else news
            told = tuple(one for one in events if _concerns(ask, one.event))
            moved = moves if ask.view is View.OVERVIEW else ()
            moment = Moment(self._wall_ms(), _every_ms(self._every_s), told, moved)
            channel.show(self._picture(channel, nodes), moment)
            await asyncio.sleep(0)

    def _looked_at(self, *, streams: bool) -> Iterator[Channel]:
        """Those at which somebody still looks when their turn comes."""
        for channel in tuple(self._channels.values()):
            if channel.listeners and (channel.ask.view is View.STREAMS) is streams:
                yield channel

    def _picture(self, channel: Channel, nodes: list[SeenNode]) -> Picture:
        ask, world = channel.ask, self._world
        match ask.view:
            case View.NODES:
                return node_page(nodes, ask)
            case View.NODE:
                return one_node(nodes, ask, self._note(NodeId(ask.node)), world.row_of)
            case View.STREAM:
                return one_stream(world.stream(ask.app, ask.stream), world.row, channel.around)
            case View.VIEWER:
                return self._viewer(channel)
            case _:
                return overview(nodes, world.index.totals, ask, self._version)

    def _viewer(self, channel: Channel) -> Picture:
        event = self._history.get(channel.ask.id)
        join = join_status(event, self._alive) if event is not None else None
        return Picture(ViewerHead(found=join is not None, join=join, look=channel.look if join else None), {})

    def _look_closer(self, channel: Channel) -> None:
        """Have edges asked, on the side, unless that was done just now."""
        if channel.ask.view not in (View.STREAM, View.VIEWER) or channel.looking is not None:
            return
        if self._clock() - channel.looked_at < LOOK_S:
            return
        try:
            channel.looking = self._tasks.start(self._looked(channel), "look at a stream")
        except RillcastError:
            channel.looked_at = self._clock()  # too much is done on the side already

    async def _looked(self, channel: Channel) -> None:
        ask = channel.ask
        try:
            if ask.view is View.STREAM:
                channel.around = await self._looks.stream(ask.app, ask.stream)
            elif (event := self._history.get(ask.id)) is not None:
                channel.look = await self._looks.viewer(event)
            self._soon.set()
        finally:
            channel.looked_at, channel.looking = self._clock(), None


async def _rest(took_s: float, early: asyncio.Event) -> float:
    """Until the next round: nine times as long as the last one took, or as long as it took if something is to be told
    at once. Returns how far rounds are apart without that, in seconds."""
    first_s = max(SOON_S, took_s)
    rest_s = max(TICK_S, RESTS * took_s)
    await asyncio.sleep(first_s)
    await _soon(rest_s - first_s, early)
    return took_s + rest_s


async def _soon(timeout_s: float, early: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await early.wait()


def _every_ms(seconds: float) -> int:
    """Rounded, so that it is no news each time."""
    return max(1, round(seconds * 4)) * 250


def _concerns(ask: Ask, event: ClusterEvent) -> bool:
    """Whether who looks there is told of the event."""
    match ask.view:
        case View.OVERVIEW:
            return event.kind not in _LOUD
        case View.STREAM:
            return event.stream == ask.stream and event.app == ask.app
        case View.NODE:
            left = event.session.trail[-1].left if event.session is not None and event.session.trail else ""
            return ask.node in (event.node, left)
        case View.VIEWER:
            return event.session is not None and event.session.id == ask.id
        case _:
            return False
