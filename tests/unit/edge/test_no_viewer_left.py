"""Whatever clients, parents, origins and the plane do, and in whatever order: when everybody has left, nothing is left,
neither here nor in the plane nor at a parent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine

import msgspec
from edge_harness import APP, AUDIO, EDGE, KEY, STREAM, VIDEO, Parent, World, rung
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_command_backlog import MoodyPlane
from test_viewer_join import answer_to

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import RelayId, SessionId, StreamId, TrackId, new_session_id
from rillcast.contracts.messages import (
    Ack,
    MuteRequest,
    PlaySubscription,
    RelayAnswer,
    RelayClose,
    RelayOpen,
    SelectRendition,
)
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.testing.bus import FakeBroker
from rillcast.testing.clock import VirtualTimeLoop

HIGH = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)
LAYER = msgspec.structs.replace(VIDEO, track=TrackId("v0.l"), rid="l", height=180, bitrate_bps=200_000)
LOW, H264 = rung(360, 600_000), msgspec.structs.replace(rung(360, 500_000, "H264"), track=TrackId("v0.360p.h264"))
SECOND = StreamId("s2")
REFUSAL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")


class BookKeeper(Parent):
    """A parent with one relay per track for this child, as the real one has it."""

    def __init__(self, broker: FakeBroker, name: str, tracks: tuple[TrackRecord, ...]) -> None:
        super().__init__(broker, name, tracks)
        self.held: dict[tuple[StreamId, TrackId], RelayId] = {}

    async def _open(self, request: RelayOpen) -> RelayAnswer:
        grant = await super()._open(request)
        self.held[request.stream, request.track] = request.relay
        return grant

    async def _close(self, request: RelayClose) -> Ack:
        self.held = {what: relay for what, relay in self.held.items() if relay != request.relay}
        return await super()._close(request)


class Ledger(MoodyPlane):
    """A plane that may be busy, and knows what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: set[int] = set()
        """Sessions that ended by themselves."""

    def execute(self, command: protocol.Command) -> None:
        if isinstance(command, protocol.RemoveSource):  # never refused as busy
            self.commands.append(command)
        else:
            super().execute(command)

    def sessions_now(self) -> set[PlaneSession]:
        return {command.session for command in self.of(protocol.AddSession)} - set(self.sessions()) - self.ended

    def sources_now(self) -> set[SourceId]:
        added = {command.source for command in self.of(protocol.AddRelaySource)}
        return added - {command.source for command in self.of(protocol.RemoveSource)}


class Life:
    """One edge, its surroundings, and what may happen to them."""

    def __init__(self) -> None:
        self.plane = Ledger()
        self.world = World(plane=self.plane, drain_timeout_s=0.5)
        self.parents: dict[str, BookKeeper] = {}
        self.asking: list[asyncio.Task[object]] = []
        self.offers: dict[SessionId, str] = {}
        self.sessions: list[SessionId] = []
        self.epoch = 1
        self.backup: StreamId | None = None
        self.failures: list[BaseException] = []

    async def begin(self) -> None:
        for name, tracks in {
            "origin-1": (HIGH, LAYER, AUDIO),
            "origin-2": (HIGH, LAYER, AUDIO),
            "transcoder-1": (LOW, H264),
        }.items():
            parent = self.parents[name] = BookKeeper(self.world.broker, name, tracks)
            self.world.parents[name] = await parent.start()
        await self.live("origin-1")
        await self.second(3)

    # ---- what clients do

    async def watch(self, which: int) -> None:
        """A WHEP client or one with our offer comes for one stream or two, perhaps with a codec that a ladder is about
        to make."""
        session = new_session_id()
        self.sessions.append(session)
        coming = ("H264",) if which % 3 == 0 else ()
        first = PlaySubscription(app=APP, stream=STREAM, codecs_to_come=coming)
        both = (first, PlaySubscription(app=APP, stream=SECOND))
        self._ask(self._play(session, which % 2 == 0, both if which % 4 > 1 else (first,)))

    async def _play(self, session: SessionId, whep: bool, wanted: tuple[PlaySubscription, ...]) -> None:
        if whep:
            await self.world.whep(session=session, subscriptions=wanted, start_timeout_ms=5_000)
        else:
            offer = await self.world.play(session=session, subscriptions=wanted, start_timeout_ms=5_000)
            self.offers[session] = offer.sdp

    async def answer(self, which: int) -> None:
        if self.offers:
            session = sorted(self.offers)[which % len(self.offers)]
            self._ask(self.world.accept(session, answer_to(self.offers[session]) if which % 4 else "v=0 nonsense"))

    async def leave(self, which: int) -> None:
        if self.sessions:
            self._ask(self.world.close(self.sessions[which % len(self.sessions)]))

    async def wish(self, which: int) -> None:
        if self.sessions:
            session = self.sessions[which % len(self.sessions)]
            kind = (MediaKind.AUDIO, MediaKind.VIDEO)[which % 2]
            place = (None, 0, 1)[which % 3]
            mute = MuteRequest(session=session, kind=kind, enabled=which % 3 == 0, subscription=place)
            chosen = SelectRendition(session=session, height=(0, 180, 360, 720)[which % 4], subscription=place)
            bus = self.world.bus
            self._ask(bus.request(subjects.session_mute(EDGE), mute, Ack))
            self._ask(bus.request(subjects.edge_select(EDGE), chosen, Ack))

    # ---- what the plane says

    def in_plane(self) -> list[int]:
        return sorted(self.plane.sessions_now())

    async def progress(self, which: int) -> None:
        if living := self.in_plane():
            self.world.connect(PlaneSession(living[which % len(living)]))

    async def nominated(self, which: int) -> None:
        if living := self.in_plane():
            self.plane.emit(protocol.SessionNominated(session=PlaneSession(living[which % len(living)])))

    async def away(self, which: int) -> None:
        """Signaling is told to move a viewer, and another edge asks for its association, or does not."""
        edge = self.world.edge
        if living := self.in_plane():
            number = PlaneSession(living[which % len(living)])
            if (viewer := edge.viewers.plane(number)) is not None:
                edge.session_end.send_away(viewer, EndReason.DRAINING)
                if which % 2 and viewer.session in edge.associations.giver._offered:
                    edge.associations.giver._offered[viewer.session].on_stopped()

    async def die(self, which: int) -> None:
        if living := self.in_plane():
            session = living[which % len(living)]
            self.plane.ended.add(session)
            how = (
                protocol.SessionClosed(session=PlaneSession(session), reason=protocol.CloseReason.CONSENT_EXPIRED),
                protocol.Error(command="add_session", id=session, message="no"),
            )
            self.plane.emit(how[which % 2])

    async def figures(self, which: int) -> None:
        for session in self.in_plane():
            estimate = (100_000, 700_000, 5_000_000)[(which + session) % 3]
            self.world.figures(
                PlaneSession(session), estimate_bps=estimate, loss=0.1 * (which % 3), video_bps=1_500_000
            )

    async def switch(self, which: int) -> None:
        for command in self.plane.of(protocol.SwitchSource)[-4:]:
            if command.source is not None and command.session in self.in_plane():
                self.plane.emit(
                    protocol.SourceSwitched(session=command.session, track=command.track, source=command.source)
                )

    async def switch_all(self) -> None:
        """Every track shows what it was pointed at last."""
        newest = {(command.session, command.track): command for command in self.plane.of(protocol.SwitchSource)}
        for (session, track), command in newest.items():
            if command.source is not None and session in self.in_plane():
                self.plane.emit(protocol.SourceSwitched(session=session, track=track, source=command.source))

    async def source(self, which: int) -> None:
        if sources := sorted(self.plane.sources_now()):
            source = sources[which % len(sources)]
            events: tuple[protocol.Event, ...] = (
                protocol.RelayParentLost(source=SourceId(source)),
                protocol.SourceStarted(source=SourceId(source)),
                protocol.Error(command="add_relay_source", id=source, message="no"),
            )
            self.plane.emit(events[which % 3])

    async def mood(self, which: int) -> None:
        self.plane.busy = which % 3 == 0

    # ---- what the cluster does

    async def live(self, owner: str) -> None:
        await self.world.live(owner, epoch=self.epoch, tracks=(HIGH, LAYER, AUDIO), backup=self.backup)

    async def silence(self, which: int) -> None:
        """The owner names the other stream as backup, or the publisher is back."""
        self.backup = None if which % 3 == 0 else SECOND
        if self.world.media.watch.directory.by_key(KEY) is not None:
            await self.live("origin-1")

    async def record(self, which: int) -> None:
        match which % 6:
            case 0:
                self.epoch += 1
                await self.live("origin-2" if which % 4 else "origin-1")
            case 1:
                await self.world.live("origin-1", epoch=self.epoch, tracks=(LAYER, AUDIO))
            case 2:
                other = msgspec.structs.replace(HIGH, codec="AV1")
                await self.world.live("origin-1", epoch=self.epoch, tracks=(other, AUDIO))
            case 3:
                await self.world.vanish()
            case 4:
                await self.world.ended(self.epoch)
            case _:
                await self.live("origin-1")

    async def second(self, which: int) -> None:
        """The other stream, whose mids and track ids are those of the first."""
        match which % 4:
            case 0:
                await self.world.vanish(SECOND)
            case 1:
                await self.world.ended(1, stream=SECOND)
            case 2:
                other = msgspec.structs.replace(HIGH, codec="AV1")
                await self.world.live("origin-1", tracks=(other,), stream=SECOND)
            case _:
                circle = STREAM if which % 3 == 0 else None
                await self.world.live("origin-1", tracks=(HIGH, LAYER, AUDIO), stream=SECOND, backup=circle)

    async def ladder(self, which: int) -> None:
        if self.world.media.watch.directory.by_key(KEY) is None:
            return
        if which % 3:
            await self.world.ladder(LOW, H264, epoch=self.epoch)
        else:
            await self.world.renditions.delete(f"{KEY}/transcoder-1")
            await self.world.settle()

    async def parent(self, which: int) -> None:
        parent = self.parents[("origin-1", "origin-2", "transcoder-1")[which % 3]]
        match which % 5:
            case 0:
                parent.refusal = REFUSAL
            case 1:
                parent.refusal = RillcastError(ErrorCode.SERVER_ERROR, "our bug")
            case 2:
                parent.gate = parent.gate or asyncio.Event()
            case _:
                self.agree(parent)

    async def wait(self, which: int) -> None:
        await self.world.pass_time((0.2, 1.0, 6.0, 40.0)[which % 4], step_s=0.5)
        await asyncio.sleep((0.1, 1.0, 3.0)[which % 3])

    # ---- the end

    def agree(self, parent: BookKeeper) -> None:
        parent.refusal = None
        if parent.gate is not None:
            parent.gate.set()
            parent.gate = None

    async def end(self, drains: bool) -> None:
        self.plane.busy = False
        for parent in self.parents.values():
            self.agree(parent)
        if drains:
            await self.world.drain()
        for session in self.sessions:
            await self.world.close(session)
        await asyncio.gather(*self.asking, return_exceptions=True)
        for session in self.sessions:
            await self.world.close(session)
        await self.world.vanish()
        await self.world.vanish(SECOND)
        await self.world.pass_time(40.0, step_s=1.0)
        await self.world.media.tasks.settle()
        await self.world.settle()

    def _ask(self, work: Awaitable[object]) -> None:
        self.asking.append(asyncio.ensure_future(self._quietly(work)))

    async def _quietly(self, work: Awaitable[object]) -> None:
        """Refusals are in order, exceptions are not."""
        try:
            await work
        except RillcastError as refusal:
            if "internal error" in refusal.message:
                self.failures.append(refusal)

    def note(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


def check(life: Life) -> None:
    edge, media = life.world.edge, life.world.media
    assert life.failures == []
    assert life.world.runs
    assert len(edge.viewers) == len(edge.relays) == len(edge.first_packets) == len(edge.backlog) == 0
    assert (edge.viewers.connecting, edge.viewers.starved, media.load.sessions) == (0, 0, 0)
    assert media.load._of == {}
    assert (edge.viewers.streams, len(edge.sessions.queue)) == ((), 0)
    assert len(edge.streams) == len(edge.sessions.awaited) == len(edge.start.rungs._places) == 0
    assert (len(edge.switch), edge.supplies._by_key, edge.supplies._by_backup) == (0, {}, {})
    assert len(edge.allocator._misfits) == len(edge.associations.giver) == 0
    assert (edge.relays._outcomes, edge.relays._started, edge.relays._unsettled) == ({}, {}, set())
    assert (life.plane.sessions_now(), life.plane.sources_now()) == (set(), set())
    for parent in life.parents.values():
        opened, closed = [o.relay for o in parent.opened], [c.relay for c in parent.closed]
        assert parent.held == {}
        assert max(Counter(closed).values(), default=1) == max(Counter(opened).values(), default=1) == 1
        assert set(closed) <= set(opened)
    ends = Counter(c.session for c in life.world.changes if c.state == "closed")
    assert max(ends.values(), default=1) == 1
    assert {session for session, _ in ends.items()} <= set(life.sessions)


Step = tuple[str, int]
OFTEN = ("watch", "watch", "answer", "figures", "source", "record", "parent")
EACH = ("watch", "answer", "leave", "wish", "nominated", "progress", "away", "die", "figures", "switch", "source")
CLUSTER = ("mood", "record", "second", "silence", "ladder", "parent", "wait")
STEPS = st.tuples(st.sampled_from((*OFTEN, *EACH, *CLUSTER)), st.integers(0, 11))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=5, max_size=40), st.booleans())
@example([("second", 4), ("watch", 3), ("record", 3), ("second", 2)], False)
def test_nothing_is_left(steps: list[Step], drains: bool) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_live_through(steps, drains))


async def _live_through(steps: list[Step], drains: bool) -> None:
    life = Life()
    await life.world.start()
    await life.begin()
    _watch(life)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, seen: life.failures.append(_failure(seen)))
    try:
        for what, which in steps:
            act: Callable[[int], Awaitable[None]] = getattr(life, what)
            await act(which)
            await life.world.settle()
        await life.end(drains)
        check(life)
    finally:
        await life.world.stop()


def _watch(life: Life) -> None:
    """Hear of every task on the side that fails."""
    tasks = life.world.media.tasks
    start = tasks.start

    def started(work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = start(work, name)
        task.add_done_callback(life.note)
        return task

    tasks.start = started  # type: ignore[method-assign]


def _failure(seen: dict[str, object]) -> BaseException:
    error = seen.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError(str(seen.get("message")))
