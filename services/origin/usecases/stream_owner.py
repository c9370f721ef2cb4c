"""Owning streams: the claim and its epoch, who may have a stream that is live, the grace time, the hand-over to another
origin, the announcements. How media comes in is the business of an `Ingest`.

Entered from ingests (`publish`, `media_began`, `lost`), from the bus (`close`, `hand_over`), from the plane
(`on_event`), from the change feed (`on_stream_changed`) and from a timer (`tick`). Media never waits for the bus or the
store: they are needed to begin a stream, not to go on with it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import Ack, CarriedStream, CloseAnswer, CloseRequest, HandOverRequest, StreamEvent
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import Event, RemoveSource, SourceId, SourceStats
from rillcast.node.background import BackgroundTasks, Outbox
from rillcast.node.load import MediaLoad
from rillcast.relay.parent import RelayParent
from rillcast.runtime.tasks.key_locks import KeyLocks
from services.origin import metrics
from services.origin.domain.owned_stream import Due, OwnedStream
from services.origin.domain.takeover import may_take_over
from services.origin.domain.track_layout import same_layout
from services.origin.ports import Admission, Clock, Ingest, Plane, WallClock
from services.origin.usecases.claims import Claims, Hold, in_use, unwanted
from services.origin.usecases.owned_streams import Owned, OwnedStreams

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
        self._claiming: dict[SessionId, OwnedStream] = {}
        self._sources = map(SourceId, itertools.count(1))
        self._nobody_sends = asyncio.Event()
        self._nobody_sends.set()

    # ------------------------------------------------------------ from ingests

    async def publish(self, ingest: Ingest) -> None:
        """The stream is this publisher's when this returns, and `ingest` has begun to feed it. The same session again
        changes nothing. Raises STREAM_ID_IN_USE, HIGH_RESOURCE_USAGE, NO_NODE_AVAILABLE or STORE_UNAVAILABLE, and
        whatever `Ingest.tracks` raises."""
        publisher = ingest.publisher
        async with self._locks.hold(publisher.key):
            self._admission.refuse_if_draining(_WHAT)
            living = self._streams.key(publisher.key)
            if living is None:
                await self._begin(ingest)
            elif living.stream.publisher.session == publisher.session:
                return
            elif may_take_over(living.stream.living(self._clock()), publisher.credential_digest):
                self._take_over(living, ingest)
            else:
                raise in_use()

    def media_began(self, session: SessionId) -> None:
        """First packet of a session. Once per session."""
        owned = self._streams.session(session)
        if owned is None:
            return
        metrics.FIRST_PACKET.observe(owned.stream.media_began(self._clock()))
        owned.hold.write()
        restored = owned.stream.restored
        self._announce(owned, subjects.STREAM_RESTORED if restored else subjects.STREAM_STARTED)

    def lost(self, session: SessionId, reason: EndReason) -> bool:
        """The session no longer feeds its stream. True when the stream waits for the publisher's return; False when it
        is over, because it never had media."""
        owned = self._streams.session(session)
        if owned is None or not owned.connected:
            return False
        self._disconnected(owned)
        if owned.stream.media_flowing:
            owned.stream.gone(owned.stream.publisher.start_timeout_s, reason, self._clock())
            return True
        ours = reason is EndReason.PLANE_ERROR
        self._end(owned, reason if ours else EndReason.NO_MEDIA, how="plane_error" if ours else "start_timeout")
        return False

    # ------------------------------------------------------------ from the bus

    async def close(self, request: CloseRequest) -> CloseAnswer:
        """Serve `subjects.session_close`. Returns when the id is free for others, if the store allows. Closing an
        unknown session succeeds."""
        owned = self._streams.session(request.session)
        if owned is None:
            claiming = self._claiming.get(request.session)
            if claiming is not None:
                claiming.unwanted = True
            return CloseAnswer(found=claiming is not None)
        if request.keep_stream_s > 0:
            owned.stream.gone(request.keep_stream_s, request.reason, self._clock())
        else:
            await asyncio.wait((self._end(owned, request.reason, how="stopped"),))
        return CloseAnswer(found=True)

    async def hand_over(self, request: HandOverRequest) -> Ack:
        """Serve `subjects.origin_hand_over`: another origin gets the stream. The record stays for it to claim, viewers
        follow it there. Raises STREAM_ID_IN_USE while our publisher is better entitled."""
        owned = self._streams.session(request.session)
        if owned is None:
            return Ack()
        if not request.rightful and not may_take_over(owned.stream.living(self._clock()), ""):
            raise in_use()
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
            owned.hold.observed(live.epoch, other=owned.stream.other_owner(live.record))

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for owned in self._streams:
            match owned.stream.due(now):
                case Due.START_TIMEOUT:
                    self._end(owned, EndReason.NO_MEDIA, how="start_timeout")
                case Due.GRACE_OVER:
                    grace = owned.stream.grace
                    self._end(owned, grace.reason if grace else EndReason.OTHER, how="not_returned")
                case Due.NOTHING:
                    pass

    async def drain(self) -> None:
        """Ask publishers to come back elsewhere, and wait: a stream goes on here until another origin asks for it
        (`hand_over`) or the time is up. Records stay in the store, so that the next origin takes the streams over with
        all their viewers attached."""
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

    # ------------------------------------------------------------ beginning

    async def _begin(self, ingest: Ingest) -> None:
        self._admission.room(_WHAT)
        publisher = ingest.publisher
        worker = self._load.least_loaded()
        tracks = ingest.tracks(worker)
        stream = OwnedStream(publisher, tracks, node=self._node, worker=worker, wall_ms=self._wall_ms())
        hold = await self._claimed(stream)
        metrics.EPOCH_CHANGES.inc()
        if stream.media_flowing:
            metrics.RESTORED.labels("elsewhere").inc()
        owned = Owned(stream, hold, ingest)
        self._streams.add(owned)
        hold.keep(lambda: self._lost_to_another(owned))
        self._lay_out(owned, tracks)
        self._connect(owned, ingest)

    async def _claimed(self, stream: OwnedStream) -> Hold:
        """The stream's key, for a publisher that still wants it here, at a node that stays."""
        session = stream.publisher.session
        self._claiming[session] = stream
        try:
            hold = await self._claims.claim(stream)
        finally:
            self._claiming.pop(session, None)
        if self._admission.draining or stream.unwanted:  # the next origin finds the key free, or takes it over
            await (hold.leave() if stream.inherited else hold.release())
            self._admission.refuse_if_draining(_WHAT)
            raise unwanted()
        return hold

    def _take_over(self, owned: Owned, ingest: Ingest) -> None:
        """A newcomer's session feeds the living stream."""
        stream = owned.stream
        tracks = ingest.tracks(stream.worker)
        keeps_sources = same_layout(stream.tracks.values(), tracks)
        self._end_session(owned, EndReason.REPLACED)
        if keeps_sources:
            stream.renegotiated(tracks)
        else:
            self._end_sources(owned)
            self._lay_out(owned, tracks)
            owned.hold.renew_epoch()
            metrics.EPOCH_CHANGES.inc()
        metrics.RESTORED.labels("here").inc()
        self._connect(owned, ingest)
        owned.hold.write()

    def _lay_out(self, owned: Owned, tracks: Sequence[TrackRecord]) -> None:
        owned.stream.lay_out(tracks, {track.track: next(self._sources) for track in tracks})
        self._streams.sources_begin(owned)

    def _connect(self, owned: Owned, ingest: Ingest) -> None:
        stream = owned.stream
        stream.begin(ingest.publisher, self._clock())
        owned.ingest = ingest
        self._streams.session_begins(owned)
        self._load.joined(stream.worker)
        owned.connected = True
        self._nobody_sends.clear()
        try:
            ingest.begin(stream.sources, restored=stream.restored)
        except BaseException:
            self.lost(ingest.publisher.session, EndReason.PLANE_ERROR)
            raise

    # ------------------------------------------------------------ ending

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
            epoch=owned.hold.epoch,
            owner=self._node,
            reason=reason,
        )
        self._outbox.put(subject, event)
