"""Who has which stream of an origin: who may have one that is live, the claim of a key, the hand-over to another one.
What then happens to the stream is carried out by `LivingStreams`; how media comes in is the business of an `Ingest`.

Entered from ingests (`publish`, `media_began`, `lost`), from the bus (`close`, `turn_away`, `hand_over`) and from a
timer (`tick`). Media never waits for the bus or the store: they are needed to begin a stream, not to go on with it.

A publisher is a newcomer until its media arrives. Only then is the key claimed for it, or the living stream taken over
under its viewers.
"""

from __future__ import annotations

import asyncio

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, stream_key
from rillcast.contracts.messages import (
    Ack,
    CloseAnswer,
    CloseRequest,
    DescribeRequest,
    HandOverRequest,
    TurnAwayRequest,
)
from rillcast.contracts.words import EndReason
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from rillcast.runtime.tasks.key_locks import KeyLocks
from rillcast.runtime.telemetry.logs import get_logger
from services.origin import metrics
from services.origin.domain.newcomer import NewcomerEnd
from services.origin.domain.owned_stream import OwnedStream, StreamEnd
from services.origin.domain.takeover import Marks, Turn, is_same_publisher, may_take_over, turn
from services.origin.ports import Admission, Clock, Ingest, Plane, WallClock
from services.origin.usecases.claims import Claims, in_use, reserved, unwanted
from services.origin.usecases.living_streams import LivingStreams
from services.origin.usecases.newcomers import Look, Newcomers, NewcomerSession
from services.origin.usecases.owned_streams import Owned, OwnedStreams

log = get_logger(__name__)

_WHAT = "origin"


class StreamOwner:
    """Decides who has which stream of this origin. One per node."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        load: MediaLoad,
        admission: Admission,
        claims: Claims,
        streams: OwnedStreams,
        living: LivingStreams,
        tasks: BackgroundTasks,
        clock: Clock,
        wall_ms: WallClock,
    ) -> None:
        self._node = node
        self._plane = plane
        self._load = load
        self._admission = admission
        self._claims = claims
        self._streams = streams
        self._living = living
        self._tasks = tasks
        self._clock = clock
        self._wall_ms = wall_ms
        self._locks = KeyLocks()
        self._asked = KeyLocks()
        self._newcomers = Newcomers(plane=plane, load=load, clock=clock)

    # ------------------------------------------------------------ from ingests

    async def publish(self, ingest: Ingest) -> None:
        """The publisher may bring its media when this returns, and `ingest` has begun to take it in. The same session
        again changes nothing. Raises STREAM_ID_IN_USE, HIGH_RESOURCE_USAGE, NO_NODE_AVAILABLE or STORE_UNAVAILABLE, and
        whatever `Ingest.tracks` raises."""
        publisher = ingest.publisher
        async with self._asked.hold(publisher.session):
            self._admission.refuse_if_draining(_WHAT)
            if self._knows(publisher.session):
                return
            look = self._newcomers.looking[publisher.session] = Look(publisher.key)
            try:
                # Not under the lock: while a frozen owner is asked about strangers, the rightful publisher may come.
                lives_elsewhere = self._streams.key(publisher.key) is None and await self._claims.look(publisher)
                async with self._locks.hold(publisher.key):
                    self._admission.refuse_if_draining(_WHAT)
                    if look.unwanted:
                        raise unwanted()
                    self._receive(ingest, lives_elsewhere=lives_elsewhere)
            finally:
                del self._newcomers.looking[publisher.session]

    def _receive(self, ingest: Ingest, *, lives_elsewhere: bool) -> None:
        publisher, receive = ingest.publisher, self._newcomers.receive
        living = self._streams.key(publisher.key)
        if living is None:
            worker, rightful = self._load.least_loaded(), lives_elsewhere and self._claims.is_of(publisher)
            self._admission.room(_WHAT, "" if rightful else publisher.client)
            receive(ingest, worker=worker, restored=lives_elsewhere, rightful=rightful)
        elif may_take_over(self._living.judged(living), publisher.marks):
            rightful = is_same_publisher(living.stream.publisher.marks, publisher.marks)
            receive(ingest, worker=living.stream.worker, restored=True, rightful=rightful)
        else:
            raise reserved(living.stream.publisher)

    def media_began(self, session: SessionId) -> None:
        """First packet of a session. Once per session."""
        waiting = self._newcomers.session(session)
        if waiting is not None and waiting.newcomer.media_at is None:
            metrics.FIRST_PACKET.observe(waiting.newcomer.media_came(self._clock()))
            self._give_stream(waiting)

    def media_is_due(self, session: SessionId) -> None:
        """The client of a session that moves in sends its media to this origin by now, and nowhere else; it can't be
        read yet. The session gets its stream as if it had come."""
        waiting = self._newcomers.session(session)
        if waiting is not None and waiting.newcomer.media_at is None:
            waiting.newcomer.media_came(self._clock())
            self._give_stream(waiting)

    def received(self, session: SessionId, received_bytes: int) -> None:
        """So much has come in a session since it began. Called once a second for each."""
        if (owned := self._streams.session(session)) is not None:
            owned.stream.received(session, received_bytes)

    def lost(self, session: SessionId, reason: EndReason) -> bool:
        """The session no longer feeds its stream. True when the stream waits for the publisher's return; False when
        there is nothing to return to, because the session never had the stream."""
        waiting = self._newcomers.session(session)
        if waiting is not None:
            ours = reason is EndReason.PLANE_ERROR
            self._newcomers.turn_away(
                waiting,
                reason if ours else EndReason.NO_MEDIA,
                how=NewcomerEnd.PLANE_ERROR if ours else NewcomerEnd.NO_MEDIA,
            )
        owned = self._streams.session(session)
        if owned is None or not owned.connected:
            return False
        self._living.lost(owned, reason)
        return True

    # ------------------------------------------------------------ from the bus

    async def close(self, request: CloseRequest) -> CloseAnswer:
        """Serve `subjects.session_close`. Returns when the id is free for others, if the store allows. Closing an
        unknown session succeeds. A newcomer is never kept: there is no stream to wait for its return."""
        if (look := self._newcomers.looking.get(request.session)) is not None:
            look.unwanted = True
            return CloseAnswer(found=True)
        if (waiting := self._newcomers.session(request.session)) is not None:
            self._newcomers.turn_away(waiting, request.reason, how=NewcomerEnd.CLOSED)
            return CloseAnswer(found=True)
        owned = self._streams.session(request.session)
        if owned is None:
            return CloseAnswer(found=False)
        if request.keep_stream_s > 0:
            self._living.keep(owned, request.keep_stream_s, request.reason)
        else:
            await asyncio.wait((self._living.end(owned, request.reason, how=StreamEnd.STOPPED),))
        return CloseAnswer(found=True)

    async def describe(self, request: DescribeRequest) -> Ack:
        """Serve `subjects.origin_describe`. The record is written soon. Raises UNKNOWN_SESSION."""
        owned = self._streams.session(request.session)
        if owned is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "this session has no stream here")
        owned.stream.describe(request.name, request.meta_data)
        owned.hold.write()
        return Ack()

    async def turn_away(self, request: TurnAwayRequest) -> CloseAnswer:
        """Serve `subjects.origin_turn_away`."""
        return CloseAnswer(found=self._newcomers.stop_all(stream_key(request.app, request.stream)))

    async def hand_over(self, request: HandOverRequest) -> Ack:
        """Serve `subjects.origin_hand_over`: another origin gets the stream, or asks whether it may. The record stays
        for it to claim, viewers follow it there. Raises STREAM_ID_IN_USE while our publisher is better entitled."""
        owned = self._streams.session(request.session)
        if owned is None:
            if not request.rightful and self._streams.is_kept(request.session):
                raise in_use()
            return Ack()
        if not request.rightful and not may_take_over(self._living.judged(owned), Marks()):
            raise reserved(owned.stream.publisher)
        if not request.only_asking:
            self._living.remove(owned, EndReason.REPLACED, how=StreamEnd.HANDED_OVER)
            await owned.hold.leave()
        return Ack()

    # ------------------------------------------------------------ what happens

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for waiting in self._newcomers:
            if waiting.newcomer.late(now):
                without = waiting.newcomer.media_at is None
                self._newcomers.turn_away(
                    waiting, EndReason.NO_MEDIA, how=NewcomerEnd.NO_MEDIA if without else NewcomerEnd.UNCLAIMED
                )
            elif waiting.newcomer.ready(now):
                self._give_stream(waiting)

    def send_newcomers_away(self) -> None:
        """The node is going away: whoever has no stream yet brings its media elsewhere."""
        for waiting in self._newcomers:
            waiting.ingest.send_away()
            self._newcomers.turn_away(waiting, EndReason.DRAINING, how=NewcomerEnd.CLOSED)

    # ------------------------------------------------------------ newcomers

    def _knows(self, session: SessionId) -> bool:
        return self._newcomers.session(session) is not None or self._streams.session(session) is not None

    def _give_stream(self, waiting: NewcomerSession) -> None:
        """Its media has arrived: the stream is this newcomer's now, later, or never."""
        newcomer = waiting.newcomer
        living = self._streams.key(newcomer.publisher.key)
        if living is None:
            self._claim_soon(waiting)
            return
        match turn(self._living.judged(living), newcomer.publisher.marks):
            case Turn.NOW:
                self._take_over(living, waiting)
            case Turn.NEVER:
                self._newcomers.turn_away(waiting, EndReason.IN_USE, how=NewcomerEnd.IN_USE)
            case Turn.LATER:
                pass  # `tick` asks again

    def _claim_soon(self, waiting: NewcomerSession) -> None:
        newcomer = waiting.newcomer
        try:
            self._tasks.start(self._claim(waiting), f"claim of {newcomer.publisher.key}")
        except RillcastError:
            newcomer.wait(self._clock())
        else:
            newcomer.claiming = True

    async def _claim(self, waiting: NewcomerSession) -> None:
        newcomer = waiting.newcomer
        try:
            async with self._locks.hold(newcomer.publisher.key):
                if not newcomer.gone and self._streams.key(newcomer.publisher.key) is None:
                    await self._begin(waiting)
        except RillcastError as refusal:
            if newcomer.gone:
                return
            if refusal.code is ErrorCode.STREAM_ID_IN_USE:
                self._newcomers.turn_away(waiting, EndReason.IN_USE, how=NewcomerEnd.IN_USE)
            else:
                log.warning("A stream can't be claimed", key=newcomer.publisher.key, reason=refusal.loggable)
                newcomer.wait(self._clock())
        finally:
            newcomer.claiming = False

    async def _begin(self, waiting: NewcomerSession) -> None:
        newcomer = waiting.newcomer
        stream = OwnedStream(newcomer.publisher, newcomer.tracks, node=self._node, wall_ms=self._wall_ms())
        hold = await self._claims.claim(stream, wanted=lambda: not newcomer.gone)
        if newcomer.gone or self._admission.draining:  # the next origin finds the key free, or takes it over
            await (hold.leave() if stream.restored else hold.release())
            return
        self._newcomers.has_stream(waiting)
        self._living.begin(stream, hold, newcomer, waiting.ingest)

    def _take_over(self, owned: Owned, waiting: NewcomerSession) -> None:
        if self._living.succeed(owned, waiting.newcomer, waiting.ingest):
            self._newcomers.has_stream(waiting)
        else:
            waiting.newcomer.wait(self._clock())
