"""Owning streams: the claim and its epoch, who may have a stream that is live, the grace time, the hand-over to another
origin, the announcements. How media comes in is the business of an `Ingest`.

Entered from ingests (`publish`, `media_began`, `lost`), from the bus (`close`, `hand_over`), from the plane
(`on_event`), from the change feed (`on_stream_changed`) and from a timer (`tick`). Media never waits for the bus or the
store: they are needed to begin a stream, not to go on with it.

A publisher is a newcomer until its media arrives. Only then is the key claimed for it, or the living stream taken over
under its viewers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, stream_key
from rillcast.contracts.messages import (
    Ack,
    CarriedStream,
    CloseAnswer,
    CloseRequest,
    HandOverRequest,
    StreamEvent,
    TurnAwayRequest,
)
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import AdoptedFeed, AdoptFeeds, Event, RemoveSource, SourceStats
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from rillcast.node.outbox import Outbox
from rillcast.relay.parent import RelayParent
from rillcast.runtime.tasks.key_locks import KeyLocks
from rillcast.runtime.telemetry.logs import get_logger
from services.origin import metrics
from services.origin.domain.newcomer import Newcomer
from services.origin.domain.owned_stream import Due, OwnedStream, Publisher
from services.origin.domain.takeover import Living, Marks, Turn, may_take_over, turn
from services.origin.domain.track_layout import same_layout
from services.origin.ports import Admission, Clock, Ingest, Plane, WallClock
from services.origin.usecases.claims import Claims, reserved, unwanted
from services.origin.usecases.newcomers import Look, Newcomers, Waiting
from services.origin.usecases.owned_streams import Owned, OwnedStreams

log = get_logger(__name__)

_WHAT = "origin"


class StreamOwner:
    """Decides who has which stream of this origin, and carries it out. One per node."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        load: MediaLoad,
        admission: Admission,
        claims: Claims,
        streams: OwnedStreams,
        relays: RelayParent,
        outbox: Outbox,
        tasks: BackgroundTasks,
        clock: Clock,
        wall_ms: WallClock,
        drain_s: float,
    ) -> None:
        """`drain_s`: how long publishers have to go elsewhere when the node is told to stop."""
        self._node = node
        self._plane = plane
        self._load = load
        self._admission = admission
        self._claims = claims
        self._streams = streams
        self._relays = relays
        self._outbox = outbox
        self._tasks = tasks
        self._clock = clock
        self._wall_ms = wall_ms
        self._drain_s = drain_s
        self._locks = KeyLocks()
        self._newcomers = Newcomers(plane=plane, load=load, clock=clock)
        self._nobody_sends = asyncio.Event()
        self._nobody_sends.set()

    # ------------------------------------------------------------ from ingests

    async def publish(self, ingest: Ingest) -> None:
        """The publisher may bring its media when this returns, and `ingest` has begun to take it in. The same session
        again changes nothing. Raises STREAM_ID_IN_USE, HIGH_RESOURCE_USAGE, NO_NODE_AVAILABLE or STORE_UNAVAILABLE, and
        whatever `Ingest.tracks` raises."""
        publisher = ingest.publisher
        async with self._locks.hold(publisher.key):
            self._admission.refuse_if_draining(_WHAT)
            if self._knows(publisher.session):
                return
            lives_elsewhere = self._streams.key(publisher.key) is None and await self._look(publisher)
            living = self._streams.key(publisher.key)
            if living is None:
                self._admission.room(_WHAT)
                self._newcomers.receive(ingest, worker=self._load.least_loaded(), restored=lives_elsewhere)
            elif may_take_over(self._living(living), publisher.marks):
                self._newcomers.receive(ingest, worker=living.stream.worker, restored=True)
            else:
                raise reserved(living.stream.publisher)

    def media_began(self, session: SessionId) -> None:
        """First packet of a session. Once per session."""
        waiting = self._newcomers.session(session)
        if waiting is not None:
            metrics.FIRST_PACKET.observe(waiting.newcomer.media_came(self._clock()))
            self._give_stream(waiting)

    def lost(self, session: SessionId, reason: EndReason) -> bool:
        """The session no longer feeds its stream. True when the stream waits for the publisher's return; False when
        there is nothing to return to, because the session never had the stream."""
        waiting = self._newcomers.session(session)
        if waiting is not None:
            ours = reason is EndReason.PLANE_ERROR
            self._newcomers.turn_away(
                waiting, reason if ours else EndReason.NO_MEDIA, how="plane_error" if ours else "no_media"
            )
        owned = self._streams.session(session)
        if owned is None or not owned.connected:
            return False
        self._disconnected(owned)
        owned.stream.gone(owned.stream.publisher.start_timeout_s, reason, self._clock())
        return True

    # ------------------------------------------------------------ from the bus

    async def close(self, request: CloseRequest) -> CloseAnswer:
        """Serve `subjects.session_close`. Returns when the id is free for others, if the store allows. Closing an
        unknown session succeeds. A newcomer is never kept: there is no stream to wait for its return."""
        if (look := self._newcomers.looking.get(request.session)) is not None:
            look.unwanted = True
            return CloseAnswer(found=True)
        if (waiting := self._newcomers.session(request.session)) is not None:
            self._newcomers.turn_away(waiting, request.reason, how="closed")
            return CloseAnswer(found=True)
        owned = self._streams.session(request.session)
        if owned is None:
            return CloseAnswer(found=False)
        if request.keep_stream_s > 0:
            owned.stream.gone(request.keep_stream_s, request.reason, self._clock())
        else:
            await asyncio.wait((self._end(owned, request.reason, how="stopped"),))
        return CloseAnswer(found=True)

    async def turn_away(self, request: TurnAwayRequest) -> CloseAnswer:
        """Serve `subjects.origin_turn_away`."""
        return CloseAnswer(found=self._newcomers.stop_all(stream_key(request.app, request.stream)))

    async def hand_over(self, request: HandOverRequest) -> Ack:
        """Serve `subjects.origin_hand_over`: another origin gets the stream, or asks whether it may. The record stays
        for it to claim, viewers follow it there. Raises STREAM_ID_IN_USE while our publisher is better entitled."""
        owned = self._streams.session(request.session)
        if owned is None:
            return Ack()
        if not request.rightful and not may_take_over(self._living(owned), Marks()):
            raise reserved(owned.stream.publisher)
        if not request.only_asking:
            self._remove(owned, EndReason.REPLACED, how="handed_over")
            await owned.hold.leave()
        return Ack()

    # ------------------------------------------------------------ what happens

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane. Of a source's figures, once a second each, follow the tracks' sizes and bit
        rates, and that the publisher is alive."""
        if isinstance(event, SourceStats) and (found := self._streams.source(event.source)) is not None:
            owned, track = found
            lost, recovered = owned.stream.heard(track, event, self._clock())
            metrics.PACKETS_LOST.inc(lost)
            metrics.PACKETS_RECOVERED.inc(recovered)

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The change feed shows this for a stream; another owner's higher epoch ends ours."""
        owned = self._streams.key(key)
        if owned is not None and live is not None:
            owned.hold.observed(live.record.owner, live.epoch)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for waiting in self._newcomers:
            if waiting.newcomer.late(now):
                without = waiting.newcomer.media_at is None
                self._newcomers.turn_away(waiting, EndReason.NO_MEDIA, how="no_media" if without else "unclaimed")
            elif waiting.newcomer.ready(now):
                self._give_stream(waiting)
        for owned in self._streams:
            if owned.stream.notice_silence(now):
                owned.hold.write()
            if owned.stream.due(now) is Due.GRACE_OVER:
                grace = owned.stream.grace
                self._end(owned, grace.reason if grace else EndReason.OTHER, how="not_returned")

    async def drain(self) -> None:
        """Ask publishers to come back elsewhere, and wait: a stream goes on here until another origin asks for it
        (`hand_over`) or the time is up. Records stay in the store, so that the next origin takes the streams over with
        all their viewers attached."""
        for waiting in self._newcomers:
            waiting.ingest.send_away()
            self._newcomers.turn_away(waiting, EndReason.DRAINING, how="closed")
        for owned in self._streams:
            if owned.connected:
                owned.ingest.send_away()
        await self._outbox.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await self._nobody_sends.wait()

    def carried(self) -> tuple[CarriedStream, ...]:
        """What the heartbeat says about streams here; children count as viewers."""
        return tuple(
            CarriedStream(
                app=owned.stream.publisher.app,
                stream=owned.stream.publisher.stream,
                viewers=self._relays.children(owned.stream.key),
            )
            for owned in self._streams
        )

    # ------------------------------------------------------------ newcomers

    def _knows(self, session: SessionId) -> bool:
        return self._newcomers.session(session) is not None or self._streams.session(session) is not None

    async def _look(self, publisher: Publisher) -> bool:
        """Whether the stream lives elsewhere and may become this publisher's, who still wants it here."""
        look = self._newcomers.looking[publisher.session] = Look(publisher.key)
        try:
            lives = await self._claims.look(publisher)
        finally:
            del self._newcomers.looking[publisher.session]
        self._admission.refuse_if_draining(_WHAT)
        if look.unwanted:
            raise unwanted()
        return lives

    def _give_stream(self, waiting: Waiting) -> None:
        """Its media has arrived: the stream is this newcomer's now, later, or never."""
        newcomer = waiting.newcomer
        living = self._streams.key(newcomer.publisher.key)
        if living is None:
            self._claim_soon(waiting)
            return
        match turn(self._living(living), newcomer.publisher.marks):
            case Turn.NOW:
                self._take_over(living, waiting)
            case Turn.NEVER:
                self._newcomers.turn_away(waiting, EndReason.IN_USE, how="in_use")
            case Turn.LATER:
                pass  # `tick` asks again

    def _claim_soon(self, waiting: Waiting) -> None:
        newcomer = waiting.newcomer
        try:
            self._tasks.start(self._claim(waiting), f"claim of {newcomer.publisher.key}")
        except RillcastError:
            newcomer.wait(self._clock())
        else:
            newcomer.claiming = True

    async def _claim(self, waiting: Waiting) -> None:
        newcomer = waiting.newcomer
        try:
            async with self._locks.hold(newcomer.publisher.key):
                if not newcomer.gone and self._streams.key(newcomer.publisher.key) is None:
                    await self._begin(waiting)
        except RillcastError as refusal:
            if newcomer.gone:
                return
            if refusal.code is ErrorCode.STREAM_ID_IN_USE:
                self._newcomers.turn_away(waiting, EndReason.IN_USE, how="in_use")
            else:
                log.warning("A stream can't be claimed", key=newcomer.publisher.key, reason=refusal.message)
                newcomer.wait(self._clock())
        finally:
            newcomer.claiming = False

    # ------------------------------------------------------------ beginning

    async def _begin(self, waiting: Waiting) -> None:
        newcomer = waiting.newcomer
        stream = OwnedStream(newcomer.publisher, newcomer.tracks, node=self._node, wall_ms=self._wall_ms())
        hold = await self._claims.claim(stream, wanted=lambda: not newcomer.gone)
        if newcomer.gone or self._admission.draining:  # the next origin finds the key free, or takes it over
            await (hold.leave() if stream.restored else hold.release())
            return
        metrics.EPOCH_CHANGES.inc()
        if stream.restored:
            metrics.RESTORED.labels("elsewhere").inc()
        owned = Owned(stream, hold, waiting.ingest)
        self._streams.add(owned)
        hold.keep(lambda: self._lost_to_another(owned))
        stream.begin(newcomer.publisher, self._clock())
        self._lay_out(owned, newcomer)
        self._connect(owned, waiting)

    def _take_over(self, owned: Owned, waiting: Waiting) -> None:
        """A newcomer's session feeds the living stream. Nothing happens yet while the plane is behind."""
        stream, newcomer = owned.stream, waiting.newcomer
        keeps_sources = stream.worker == newcomer.worker and same_layout(stream.tracks.values(), newcomer.tracks)
        if keeps_sources and not self._adopted(stream, newcomer):
            return
        self._end_session(owned, EndReason.REPLACED)
        if keeps_sources:
            stream.renegotiated(newcomer.tracks)
        else:
            self._end_sources(owned)
            self._lay_out(owned, newcomer)
            owned.hold.renew()
            metrics.EPOCH_CHANGES.inc()
        metrics.RESTORED.labels("here").inc()
        stream.succeed(newcomer.publisher, self._clock())
        self._connect(owned, waiting)
        owned.hold.write()

    def _adopted(self, stream: OwnedStream, newcomer: Newcomer) -> bool:
        """The stream's sources go on with what the newcomer's have had and will have."""
        feeds = tuple(
            AdoptedFeed(source=source, from_source=newcomer.sources[track]) for track, source in stream.sources.items()
        )
        try:
            self._plane.execute(AdoptFeeds(feeds=feeds))
        except RillcastError:
            newcomer.wait(self._clock())
            return False
        return True

    def _lay_out(self, owned: Owned, newcomer: Newcomer) -> None:
        owned.stream.lay_out(newcomer.tracks, newcomer.sources, newcomer.worker)
        self._streams.sources_begin(owned)

    def _connect(self, owned: Owned, waiting: Waiting) -> None:
        """The newcomer is the publisher. The load counts its session already."""
        self._newcomers.has_stream(waiting)
        owned.ingest = waiting.ingest
        self._streams.session_begins(owned)
        owned.connected = True
        self._nobody_sends.clear()
        owned.ingest.went_live(owned.stream.sources)
        self._announce(owned, subjects.STREAM_RESTORED if owned.stream.restored else subjects.STREAM_STARTED)

    # ------------------------------------------------------------ ending

    def _living(self, owned: Owned) -> Living:
        return owned.stream.living(self._clock(), connected=owned.connected)

    def _disconnected(self, owned: Owned) -> None:
        if owned.connected:
            owned.connected = False
            self._load.left(owned.stream.worker)
            if not any(other.connected for other in self._streams):
                self._nobody_sends.set()

    def _end_session(self, owned: Owned, reason: EndReason) -> None:
        self._disconnected(owned)
        self._streams.session_ends(owned)
        owned.ingest.end(reason)

    def _end_sources(self, owned: Owned) -> None:
        self._relays.end(owned.stream.key)
        self._streams.sources_end(owned)
        for source in owned.stream.sources.values():
            self._plane.execute(RemoveSource(source=source))

    def _remove(self, owned: Owned, reason: EndReason, *, how: str) -> None:
        """Take the stream out of this node, at once. What becomes of the key is the caller's to say."""
        owned.stream.over()
        metrics.ENDED.labels(how).inc()
        self._end_session(owned, reason)
        self._end_sources(owned)
        self._streams.remove(owned)

    def _end(self, owned: Owned, reason: EndReason, *, how: str) -> asyncio.Task[None]:
        """The stream is over. The task frees its id, then tells everybody."""
        self._remove(owned, reason, how=how)
        return self._claims.give_back(owned.hold, lambda: self._announce(owned, subjects.STREAM_ENDED, reason))

    def _lost_to_another(self, owned: Owned) -> None:
        """Another node has the key: stand down without a word about the stream's end."""
        if owned in self._streams:
            metrics.STAND_DOWNS.inc()
            self._remove(owned, EndReason.REPLACED, how="stood_down")

    def _announce(self, owned: Owned, subject: str, reason: EndReason | None = None) -> None:
        publisher = owned.stream.publisher
        event = StreamEvent(
            app=publisher.app,
            stream=publisher.stream,
            epoch=owned.hold.epoch.number,
            claim=owned.hold.epoch.claim,
            owner=self._node,
            reason=reason,
        )
        self._outbox.put(subject, event)
