"""Whatever publishers, other origins, the store, children and the plane do: in the end nothing is left, and every claim
has ended exactly once. Runs on virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from origin_harness import APP, H264_OFFER, OFFER, RunningOrigin, World, request
from test_moving_in import answer_of

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, RelayId, SessionId, StreamId, TrackId, new_session_id, stream_key
from rillcast.contracts.messages import (
    AnswerRequest,
    CloseRequest,
    FormerSession,
    PublishRequest,
    RelayClose,
    RelayOpen,
)
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay, PlaneSession, SourceId
from rillcast.testing.clock import VirtualTimeLoop
from services.origin.domain.owned_stream import OwnedStream
from services.origin.usecases.claims import Claims, Hold

STREAMS = (StreamId("s1"), StreamId("s2"))
FOREIGN = NodeId("origin-9")

ORIGIN = st.integers(0, 1)
STREAM = st.sampled_from(STREAMS)
MOVING = st.tuples(st.just("moving"), ORIGIN, STREAM, st.sampled_from(("at once", "later", "deaf", "never")))
OTHER = st.one_of(
    st.tuples(st.just("publish"), ORIGIN, STREAM, st.sampled_from(("mine", "other")), st.booleans(), st.booleans()),
    st.tuples(st.just("give_up"), ORIGIN, STREAM, st.sampled_from((0.0, 0.0015, 0.0035, 0.0055, 0.05))),
    st.tuples(st.just("again"), ORIGIN),
    st.tuples(st.just("media"), ORIGIN, st.integers(1, 8)),
    st.tuples(st.just("close"), ORIGIN, st.sampled_from((0.0, 4.0))),
    st.tuples(st.just("plane_closes"), ORIGIN, st.integers(1, 8), st.booleans()),
    st.tuples(st.just("plane_busy"), ORIGIN, st.booleans()),
    st.tuples(st.just("away"), ORIGIN),
    st.tuples(st.just("move_in"), ORIGIN, st.booleans()),
    st.tuples(st.just("nominate"), ORIGIN, st.integers(0, 8)),
    st.tuples(st.just("deaf"), ORIGIN, st.booleans()),
    st.tuples(st.just("relay"), ORIGIN, STREAM, st.sampled_from(("edge-1", "edge-2")), st.sampled_from(("v0", "a0"))),
    st.tuples(st.just("relay_close"), ORIGIN),
    st.tuples(st.just("child_lost"), ORIGIN, st.integers(1, 8)),
    st.tuples(st.just("store"), st.sampled_from(("down", "up", "lose_state", "lose_answer"))),
    st.tuples(st.just("foreign_claim"), STREAM),
    st.tuples(st.just("cut_off"), ORIGIN, st.booleans()),
    st.tuples(st.just("hear_hand_overs"), ORIGIN, st.booleans()),
    st.tuples(st.just("drain"), ORIGIN),
    st.tuples(st.just("time"), st.sampled_from((0.01, 0.5, 3.0, 7.0))),
)
STEP = st.integers(0, 4).flatmap(lambda number: OTHER if number else MOVING)


class Ledger:
    """What the origins claimed, and what their planes hold as far as they were told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.holds: list[Hold] = []
        self.closed_by_plane: set[tuple[str, int]] = set()
        self.lost_children: set[tuple[str, int]] = set()
        self.media: set[tuple[str, int]] = set()
        claim = Claims.claim

        async def noted(claims: Claims, stream: OwnedStream, wanted: Callable[[], bool]) -> Hold:
            hold = await claim(claims, stream, wanted)
            self.holds.append(hold)
            return hold

        patch.setattr(Claims, "claim", noted)

    def sessions(self, at: RunningOrigin) -> set[PlaneSession]:
        """Sessions that the plane still has."""
        added = {command.session for command in at.plane.of(protocol.AddSession)}
        removed = {command.session for command in at.plane.of(protocol.RemoveSession)}
        return added - removed - {number for name, number in self.closed_by_plane if name == at.name}

    def sources(self, at: RunningOrigin) -> set[SourceId]:
        """Sources likewise."""
        added = {
            encoding.source
            for command in at.plane.of(protocol.AddSession)
            for track in command.recv
            for encoding in track.encodings
        }
        adopted = {feed.from_source for command in at.plane.of(protocol.AdoptFeeds) for feed in command.feeds}
        removed = {command.source for command in at.plane.of(protocol.RemoveSource)}
        assert not adopted & removed
        return added - adopted - removed

    def relays(self, at: RunningOrigin) -> set[PlaneRelay]:
        """Relays likewise."""
        added = {command.relay for command in at.plane.of(protocol.AddRelay)}
        removed = {command.relay for command in at.plane.of(protocol.RemoveRelay)}
        return added - removed - {number for name, number in self.lost_children if name == at.name}


class Play:
    """Carries the steps out."""

    def __init__(self, world: World, origins: list[RunningOrigin], ledger: Ledger) -> None:
        self.world = world
        self.origins = origins
        self.ledger = ledger
        self.last: dict[str, PublishRequest] = {}
        self.relays: dict[str, tuple[RelayId, NodeId]] = {}
        self.under_way: list[asyncio.Task[Any]] = []

    async def step(self, what: str, *arguments: Any) -> None:
        await getattr(self, what)(*arguments)

    async def publish(self, number: int, stream: StreamId, digest: str, credentials: bool, h264: bool) -> None:
        at = self.origins[number]
        asked = request(
            stream=stream,
            credential_digest=digest if credentials else "",
            has_credentials=credentials,
            secret_digest=digest,
            sdp_offer=H264_OFFER if h264 else OFFER,
            movable=True,
            start_timeout_ms=5_000,
        )
        self.last[at.name] = asked
        self._start(at.origin.webrtc.publish(asked))
        await asyncio.sleep(0)

    async def give_up(self, number: int, stream: StreamId, after_s: float) -> None:
        """The deadline of a request passes, whatever the handler is waiting for."""
        task = asyncio.create_task(self.origins[number].origin.webrtc.publish(request(stream=stream)))
        self.under_way.append(task)
        await asyncio.sleep(after_s)
        task.cancel()

    async def again(self, number: int) -> None:
        at = self.origins[number]
        if at.name in self.last:
            self._start(at.origin.webrtc.publish(self.last[at.name]))

    async def media(self, number: int, session: int) -> None:
        at = self.origins[number]
        if session in self.ledger.sessions(at) and (at.name, session) not in self.ledger.media:
            self.ledger.media.add((at.name, session))  # the plane says it once per session
            if at.plane.living[PlaneSession(session)].srtp is None:
                at.plane.shake_hands(PlaneSession(session))
            at.plane.emit(protocol.SessionMedia(session=PlaneSession(session)))

    async def away(self, number: int) -> None:
        """Signaling is told to move the publishers of an origin."""
        for session in list(self.origins[number].origin.webrtc._sessions.values()):
            session.send_away()
        await asyncio.sleep(0.01)

    async def move_in(self, number: int, knows: bool) -> None:
        """One that was sent away from the other origin is to go on here."""
        at, other = self.origins[number], self.origins[1 - number]
        left = [change for change in self.world.changes if change.node == other.name and change.association]
        if left and other.name in self.last:
            before = self.last[other.name]
            secret = left[-1].association if knows else "guessed"
            asked = msgspec.structs.replace(
                before,
                session=new_session_id(),
                sdp_answered="v=0\r\na=fingerprint:sha-256 AA\r\nm=audio 9 RTP/AVP 0\r\n",
                former=FormerSession(node=other.name, session=left[-1].session, association=secret),
            )
            self.last[at.name] = asked
            self._start(self._move_in(at, asked))
            await asyncio.sleep(0.05)

    async def _move_in(self, at: RunningOrigin, asked: PublishRequest) -> None:
        answer = await at.origin.webrtc.move_in(asked)
        await at.origin.webrtc.accept(AnswerRequest(session=answer.session, sdp_answer=answer_of(asked.sdp_offer)))

    async def moving(self, number: int, stream: StreamId, chosen: str) -> None:
        """All of it: a publisher has its stream, is sent away, and chooses the other origin."""
        await self.publish(number, stream, "mine", True, False)
        await asyncio.sleep(0.05)
        for session in sorted(self.ledger.sessions(self.origins[number])):
            await self.media(number, session)
        await asyncio.sleep(0.05)
        await self.away(number)
        await self.move_in(1 - number, True)
        await self.deaf(number, chosen == "deaf")
        await asyncio.sleep(0.5 if chosen == "later" else 0.0)
        if chosen != "never":
            await self.nominate(1 - number, 0)
            await asyncio.sleep(0.5 if chosen == "deaf" else 0.0)

    async def nominate(self, number: int, which: int) -> None:
        if living := sorted(self.origins[number].plane.living, reverse=True):
            self.origins[number].plane.nominate(living[which % len(living)])

    async def deaf(self, number: int, deaf: bool) -> None:
        self.origins[number].plane.deaf = deaf

    async def close(self, number: int, keep_s: float) -> None:
        at = self.origins[number]
        if at.name in self.last:
            close = CloseRequest(session=self.last[at.name].session, reason=EndReason.STOPPED, keep_stream_s=keep_s)
            self._start(at.origin.owner.close(close))

    async def plane_closes(self, number: int, session: int, refused: bool) -> None:
        at = self.origins[number]
        if session in self.ledger.sessions(at):
            self.ledger.closed_by_plane.add((at.name, session))
            at.plane.emit(
                protocol.Error(command="add_session", id=session, message="")
                if refused
                else protocol.SessionClosed(session=PlaneSession(session), reason=protocol.CloseReason.CONSENT_EXPIRED)
            )

    async def plane_busy(self, number: int, busy: bool) -> None:
        self.origins[number].plane.refused = protocol.AddSession if busy else None

    async def relay(self, number: int, stream: StreamId, child: str, track: str) -> None:
        at = self.origins[number]
        owned = at.origin.owner._streams.key(stream_key(APP, stream))
        name = RelayId(f"{child}{track}{len(at.plane.commands)}")
        self.relays[at.name] = (name, NodeId(child))
        opening = RelayOpen(
            app=APP,
            stream=stream,
            track=TrackId(track),
            claim=owned.hold.epoch.claim if owned is not None else ClaimId("none"),
            child=NodeId(child),
            relay=name,
            child_address="192.0.2.9:51000",
        )
        with suppress(RillcastError):
            await at.origin.relays.open(opening)

    async def relay_close(self, number: int) -> None:
        at = self.origins[number]
        if at.name in self.relays:
            relay, child = self.relays[at.name]
            await at.origin.relays.close(RelayClose(relay=relay, child=child))

    async def child_lost(self, number: int, relay: int) -> None:
        at = self.origins[number]
        if relay in self.ledger.relays(at):
            self.ledger.lost_children.add((at.name, relay))
            at.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(relay)))

    async def store(self, how: str) -> None:
        match how:
            case "lose_state":
                self.world.streams.lose_state()
            case "lose_answer":
                self.world.streams.lose_next_answer = True
            case _:
                self.world.streams.available = how == "up"

    async def foreign_claim(self, stream: StreamId) -> None:
        """An origin that we do not hear of takes the key, as after a partition."""
        if self.world.streams.available:
            record = StreamRecord(
                app=APP, stream=stream, owner=FOREIGN, publisher_session=SessionId("theirs"), tracks=()
            )
            await self.world.streams.put(stream_key(APP, stream), msgspec.json.encode(record))

    async def cut_off(self, number: int, cut: bool) -> None:
        self.origins[number].bus.connected = not cut

    async def hear_hand_overs(self, number: int, hears: bool) -> None:
        self.origins[number].hear_hand_overs(hears)

    async def drain(self, number: int) -> None:
        self._start(self.origins[number].drain())

    async def time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def everybody_leaves(self) -> None:
        """All is well again, and all publishers are gone for good."""
        self.world.streams.available = True
        for at in self.origins:
            at.bus.connected = True
            at.plane.refused = None
            at.plane.deaf = False
            at.hear_hand_overs(True)
        await asyncio.wait([asyncio.create_task(asyncio.sleep(0)), *self.under_way])
        for at in self.origins:
            for session in self.ledger.sessions(at):
                await self.plane_closes(self.origins.index(at), session, False)
        await asyncio.sleep(30.0)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        async def run() -> None:
            with suppress(RillcastError):
                await work

        self.under_way.append(asyncio.create_task(run()))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30))
@example(steps=[("moving", 0, STREAMS[0], "at once"), ("media", 1, 1), ("moving", 1, STREAMS[0], "later")])
@example(steps=[("moving", 0, STREAMS[0], "deaf"), ("time", 0.5), ("media", 1, 1), ("drain", 0)])
def test_nothing_is_left_and_every_claim_ends_once(
    steps: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch, asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        caplog.clear()
        runner.run(_live_through(steps, Ledger(patch)))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _live_through(steps: list[tuple[Any, ...]], ledger: Ledger) -> None:
    world = World(asyncio.get_running_loop().time)
    world.streams.answer_s = 0.001
    await world.start()
    origins = [await world.origin(name, drain_timeout_s=2.0) for name in ("origin-1", "origin-2")]
    play = Play(world, origins, ledger)
    for step in steps:
        await play.step(*step)
    await play.everybody_leaves()

    for at in origins:
        assert not at.task or not at.task.done()
        _nothing_is_left(at, ledger)
    assert [hold for hold in ledger.holds if not (hold.ended or hold.lost)] == []
    await world.stop()


def _nothing_is_left(at: RunningOrigin, ledger: Ledger) -> None:
    origin = at.origin
    assert (ledger.sessions(at), ledger.sources(at), ledger.relays(at)) == (set(), set(), set())
    assert (len(origin.owner._streams), len(origin.relays), len(origin.owner._locks)) == (0, 0, 0)
    newcomers = origin.owner._newcomers
    assert (len(newcomers), newcomers._by_key, newcomers.looking) == (0, {}, {})
    assert (origin.webrtc._sessions, origin.webrtc._by_plane, origin.owner._claims._releases) == ({}, {}, {})
    assert (origin.owner._streams._by_session, origin.owner._streams._by_source) == ({}, {})
    giver = origin.webrtc.associations.giver
    assert (at.media_node.load.sessions, len(giver), giver._exports) == (0, 0, {})
    for kind, number in ((protocol.RemoveSource, "source"), (protocol.RemoveRelay, "relay")):
        removed = Counter(getattr(command, number) for command in at.plane.of(kind))
        assert set(removed.values()) <= {1}
