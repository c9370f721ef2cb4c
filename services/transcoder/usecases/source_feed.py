"""How a job's source comes in: one track of the stream's origin, by a relay, for as long as the job needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.media.protocol import RequestKeyframe, SourceId, Tap
from rillcast.node.background import BackgroundTasks
from rillcast.relay.child import ChildRelays
from rillcast.relay.child_relay import ChildRelay, ChildState
from services.transcoder.ports import Clock, Plane
from services.transcoder.usecases.attempt import attempted

FIRST_RETRY_S, MOST_RETRY_S = 0.2, 3.0


class SourceFeed:
    """One source of the plane, fed by one relay after the other. Everything on the event loop."""

    def __init__(
        self,
        relays: ChildRelays,
        *,
        plane: Plane,
        tasks: BackgroundTasks,
        clock: Clock,
        source: SourceId,
        worker: int,
    ) -> None:
        """`source`: the plane's id, for the whole life of the feed."""
        self._relays = relays
        self._plane = plane
        self._tasks = tasks
        self._clock = clock
        self._worker = worker
        self._relay: ChildRelay | None = None
        self._asking: asyncio.Task[None] | None = None
        self._tapped = False
        self._clock_guessed = False
        self.source = source

    def bring(self, live: LiveStream, supply: TrackSupply, on_open: Callable[[], None]) -> None:
        """Have the source come in. Asks the origin on the side, unless it comes already, that origin is being asked,
        or it is too early to ask again. `on_open` is called when a relay has been opened."""
        if self._relay is None:
            backoff = Backoff(FIRST_RETRY_S, MOST_RETRY_S)
            self._relay = ChildRelay(
                supply.track, source=self.source, worker=self._worker, now=self._clock(), backoff=backoff
            )
        idle = self._asking is None or self._asking.done()
        if idle and self._relay.state is ChildState.WAITING and self._clock() >= self._relay.due:
            self._asking = self._tasks.start(self._open(self._relay, live, supply, on_open), f"feed of {live.key}")
        elif not idle:
            self._relays.outdate(self._relay, supply)

    def tap(self, enabled: bool) -> None:
        """Switch the delivery of packets on or off. It begins with a keyframe. Call this at each step: a busy plane
        takes the command later."""
        if enabled != self._tapped and self._present:
            if not attempted(self._plane, Tap(source=self.source, enabled=enabled)):
                return  # it is called again
            self._tapped = enabled
            if enabled:
                self._clock_guessed = True
                self.want_keyframe()

    def believes_clock(self) -> bool:
        """Whether the clock that the plane reports now is the publisher's. It answers a tap with what it has, which may
        be a guess made when a cached keyframe arrived, and seconds wrong; viewers' lip sync would remember that for
        twenty reports. Call once per report."""
        guessed, self._clock_guessed = self._clock_guessed, False
        return not guessed

    def want_keyframe(self) -> None:
        """Ask the origin for a keyframe. Does nothing while the source isn't there."""
        if self._present:
            attempted(self._plane, RequestKeyframe(source=self.source))

    def flows(self) -> None:
        """Media arrives, so the next time that the origin is lost counts as the first one."""
        if self._relay is not None:
            self._relay.flows()

    def lost(self) -> None:
        """The plane hears nothing from the origin. It is asked again after a delay that grows."""
        if self._relay is not None:
            self._relay.lost(self._clock())

    def close(self) -> None:
        """The source is not needed now. The origin is told on the side. `bring` begins anew."""
        if self._relay is not None:
            relay, self._relay, self._tapped = self._relay, None, False
            self._relays.close(relay)

    @property
    def parent(self) -> NodeId | None:
        """Who feeds it now; None when nobody does."""
        relay = self._relay
        return relay.parent if relay is not None and relay.state is ChildState.OPEN else None

    @property
    def _present(self) -> bool:
        return self._relay is not None and self._relay.ever_open

    async def _open(
        self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, on_open: Callable[[], None]
    ) -> None:
        try:
            await self._relays.open(relay, live, supply)
        except RillcastError:
            return  # counted by `ChildRelays`; `relay.due` says when to ask again
        if relay.state is ChildState.OPEN:
            on_open()


class SourceFeeds:
    """Makes the feeds of one node."""

    def __init__(
        self, relays: ChildRelays, *, plane: Plane, tasks: BackgroundTasks, clock: Clock, sources: Iterator[SourceId]
    ) -> None:
        """`sources`: ids of the plane's sources, shared by everything that opens some on this node."""
        self._relays = relays
        self._plane = plane
        self._tasks = tasks
        self._clock = clock
        self._sources = sources

    def new(self, worker: int) -> SourceFeed:
        """A feed that brings nothing yet, with a source of its own on this worker of the plane."""
        return SourceFeed(
            self._relays,
            plane=self._plane,
            tasks=self._tasks,
            clock=self._clock,
            source=next(self._sources),
            worker=worker,
        )
