"""Claiming a stream's key, and getting it from a node that has it. Every claim ends in a hold on the key or a refusal;
every hold ends exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import msgspec

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.epochs import Epoch, epoch_of
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, new_claim_id, stream_key
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.contracts.records import StreamRecord
from rillcast.node.background import BackgroundTasks
from rillcast.node.metrics import LEASE_FORGOTTEN, LEASE_NO_RECORD
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.logs import get_logger
from services.origin.domain.owned_stream import OwnedStream, Publisher
from services.origin.domain.takeover import SILENT_S, Left, Marks, is_same_publisher, may_inherit
from services.origin.ports import Bus, Clock, KeyValue, WallClock

log = get_logger(__name__)

_ATTEMPTS = 4
"""Create, replace an owner's record, replace that of an owner who was faster, and once more for a key that expired
meanwhile. Who loses four times has met another publisher."""
_OWNER_TIMEOUT_S = 1.0
"""How long the present owner may take to answer whether it gives a stream up."""
_OWNER_FIRST_S = 0.1
"""How long a rightful publisher's claim lets the present owner give the stream up in order. One that is alive does so
in milliseconds; one that is frozen never answers, and the publisher is waiting."""
_RELEASE_WAIT_S = 2.0
"""How long a newcomer waits for the key of a stream that just ended here to be given back."""


class Hold:
    """A stream's key in this node's hands. It ends once: by `release`, by `leave`, or by being lost to another node."""

    def __init__(self, key: str, keeper: LeaseKeeper, tasks: BackgroundTasks) -> None:
        self.key = key
        self._keeper = keeper
        self._tasks = tasks
        self._keeping: asyncio.Task[None] | None = None
        self.ended = False
        """Whether it ended by a decision of this node."""
        self.lost = False
        """Whether another node got the key before this node decided anything."""

    @property
    def epoch(self) -> Epoch:
        """That of the newest write that claimed the key. Relays opened here under its claim are still good."""
        return self._keeper.lease.epoch

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Renew in time from now on. `on_lost` is called if another node gets the key."""

        async def run() -> None:
            await self._keeper.keep()
            if not self.ended:
                self.lost = True
                log.warning(
                    "Another node has the stream, this one stands down", key=self.key, owner=self._keeper.lost_to
                )
                on_lost()

        self._keeping = self._tasks.start(run(), f"lease of {self.key}")

    def write(self) -> None:
        """The record changed: write it soon."""
        self._keeper.hurry()

    def renew(self) -> None:
        """Everything given to children under the present claim becomes void."""
        self._keeper.renew()

    def observed(self, owner: NodeId, epoch: Epoch) -> None:
        """The change feed showed a record for the key, which this node wrote."""
        self._keeper.observed(owner, epoch)

    async def release(self) -> None:
        """The id is free for others from now on, if the store can be reached. Nothing to do if the key got lost
        meanwhile."""
        await self._stop()
        await self._keeper.release()

    async def leave(self) -> None:
        """Renew no more; the record stays for another origin to claim, or until it expires."""
        await self._stop()

    async def _stop(self) -> None:
        if self.ended:
            raise RuntimeError(f"the hold on {self.key} has ended already")
        self.ended = True
        if self._keeping is not None:
            await cancelled(self._keeping)


class Claims:
    """Takes keys of the streams bucket for this node."""

    def __init__(
        self,
        *,
        node: NodeId,
        streams: KeyValue,
        known: Callable[[str], LiveStream | None],
        bus: Bus,
        tasks: BackgroundTasks,
        clock: Clock,
        wall_ms: WallClock,
        lease_s: float,
    ) -> None:
        """`known`: what is live under a key, as the change feed of `streams` told. It remembers for a lease what a
        store forgot."""
        self._node = node
        self._known = known
        self._wall_ms = wall_ms
        self._streams = streams
        self._bus = bus
        self._tasks = tasks
        self._clock = clock
        self._lease_s = lease_s
        self._releases: dict[str, asyncio.Task[None]] = {}

    def give_back(self, hold: Hold, then: Callable[[], None]) -> asyncio.Task[None]:
        """Release a hold on the side, then call `then`. Who wants the key here meanwhile waits for it."""

        async def run() -> None:
            await hold.release()
            then()

        return self._release_soon(hold.key, run())

    async def look(self, publisher: Publisher) -> bool:
        """Whether the stream lives elsewhere, or did in this node's previous process, and may become this publisher's.
        Nothing is claimed. Raises STREAM_ID_IN_USE when it may not, and STORE_UNAVAILABLE."""
        await self._released(publisher.key)
        entry = await self._streams.get(publisher.key)
        if entry is None or entry.value is None:
            await self._ask_a_forgotten_owner(publisher)
            return False
        record = _record_or_none(publisher.key, entry.value)
        if record is None:
            return False
        if not _may_inherit(record, publisher):
            await self._ask_for_a_stranger(record, only_asking=True)
        return True

    def is_of(self, publisher: Publisher) -> bool:
        """Whether the stream that lives elsewhere, as far as this node has heard, is this publisher's."""
        live = self._known(publisher.key)
        return live is not None and is_same_publisher(_marks(live.record), publisher.marks)

    async def _released(self, key: str) -> None:
        """Whoever ended the stream here a moment ago has given the key back, or takes long."""
        if (release := self._releases.get(key)) is not None:
            await asyncio.wait((release,), timeout=_RELEASE_WAIT_S)

    async def claim(self, stream: OwnedStream, wanted: Callable[[], bool]) -> Hold:
        """Take the stream's key. If it was alive elsewhere, the stream inherits what viewers have. Raises
        STREAM_ID_IN_USE, STORE_UNAVAILABLE, or UNKNOWN_SESSION when the stream is not `wanted` any more."""
        await self._released(stream.key)
        replace: int | None = None
        above = Epoch()
        displaced: SessionId | None = None
        giving_up: asyncio.Task[None] | None = None
        for _ in range(_ATTEMPTS):
            keeper = self._keeper(stream, replace, above)
            if await self._held(keeper, stream):
                return Hold(stream.key, keeper, self._tasks)
            if giving_up is not None:  # somebody has written since: the owner, which is alive then and answers soon
                await asyncio.wait((giving_up,))
            entry = await self._streams.get(stream.key)
            if not wanted():  # its publisher may have the stream at the origin that was asked next
                raise unwanted()
            if entry is None or entry.value is None:
                replace = None
                continue
            replace = entry.revision
            record = _record_or_none(stream.key, entry.value)
            if record is None:
                continue
            above = max(above, epoch_of(record, entry.revision))
            if record.publisher_session != displaced:
                giving_up = await self._displace(record, stream.publisher)
                displaced = record.publisher_session
                stream.inherit(record)
        raise in_use()

    async def _held(self, keeper: LeaseKeeper, stream: OwnedStream) -> bool:
        try:
            return await keeper.claim()
        except (RillcastError, asyncio.CancelledError):
            # The write may have happened. A stream that lived elsewhere stays in the store for whoever comes next.
            if not stream.restored:
                self._release_soon(stream.key, keeper.release())
            raise

    def _release_soon(self, key: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        def done(task: asyncio.Task[None]) -> None:
            if self._releases.get(key) is task:
                del self._releases[key]

        release = self._releases[key] = self._tasks.start(work, f"release of {key}")
        release.add_done_callback(done)
        return release

    async def _displace(self, record: StreamRecord, newcomer: Publisher) -> asyncio.Task[None] | None:
        """Find that the publisher may have the stream, and have the present owner give it up. Raises STREAM_ID_IN_USE.

        For a rightful publisher nothing depends on the answer, since the store decides who has the key, and an owner
        that was overtaken stands down. So its claim does not wait long; the task ends when the owner has answered."""
        if not _may_inherit(record, newcomer):
            await self._ask_for_a_stranger(record)
            return None
        if not is_same_publisher(_marks(record), newcomer.marks):  # nobody is there to be told
            return None
        if record.owner == self._node:  # left by this node's previous process
            return None
        giving_up = self._tasks.start(self._tell_owner(record), f"hand-over of {record.stream}")
        await asyncio.wait((giving_up,), timeout=_OWNER_FIRST_S)
        return giving_up

    async def _ask_for_a_stranger(self, record: StreamRecord, *, only_asking: bool = False) -> None:
        """Only a living owner knows whether its publisher is silent; without one the lease has to run out. Raises
        STREAM_ID_IN_USE."""
        if record.owner == self._node:
            raise in_use(self._lease_s)
        try:
            await self._ask_owner(record, rightful=False, only_asking=only_asking)
        except RillcastError as refusal:
            if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                raise
            raise in_use(self._lease_s) from refusal

    async def _ask_a_forgotten_owner(self, publisher: Publisher) -> None:
        """The store knows of no owner, and may have forgotten one. That one keeps strangers out as always, if it lives:
        it will have its key again soon. Raises STREAM_ID_IN_USE."""
        live = self._known(publisher.key)
        if live is None or live.record.owner == self._node:
            return
        if is_same_publisher(_marks(live.record), publisher.marks):
            return
        try:
            await self._ask_owner(live.record, rightful=False, only_asking=True)
        except RillcastError as refusal:
            if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                raise

    async def _tell_owner(self, record: StreamRecord) -> None:
        try:
            await self._ask_owner(record, rightful=True)
        except RillcastError as refusal:
            log.info("A stream's owner does not say that it gave it up", owner=record.owner, reason=str(refusal))

    async def _ask_owner(self, record: StreamRecord, *, rightful: bool, only_asking: bool = False) -> None:
        request = HandOverRequest(session=record.publisher_session, rightful=rightful, only_asking=only_asking)
        await self._bus.request(subjects.origin_hand_over(record.owner), request, Ack, timeout_s=_OWNER_TIMEOUT_S)

    def _keeper(self, stream: OwnedStream, replace: int | None, above: Epoch) -> LeaseKeeper:
        def written_by(value: bytes, revision: int) -> tuple[NodeId, Epoch]:
            record = _record(stream.key, value)
            return record.owner, epoch_of(record, revision)

        if (known := self._known(stream.key)) is not None:
            above = max(above, known.epoch)
        return LeaseKeeper(
            self._streams,
            stream.key,
            Lease(self._lease_s, self._clock(), new_claim_id(), above=above.number, replace_revision=replace),
            record_of=lambda epoch: msgspec.json.encode(stream.record(epoch)),
            written_by=written_by,
            on_no_record=LEASE_NO_RECORD.inc,
            on_forgotten=LEASE_FORGOTTEN.inc,
            clock=self._clock,
            wall_ms=self._wall_ms,
        )


def unwanted() -> RillcastError:
    """The session was closed before it had its stream."""
    return RillcastError(ErrorCode.UNKNOWN_SESSION, "the session was closed while its stream was being claimed")


def in_use(retry_after_s: float | None = None) -> RillcastError:
    """The stream id belongs to somebody else."""
    return RillcastError(ErrorCode.STREAM_ID_IN_USE, "another publisher has this stream id", retry_after_s)


def reserved(publisher: Publisher) -> RillcastError:
    """The stream id belongs to this publisher. One that nobody verified may be gone after a moment of silence."""
    return in_use(None if publisher.marks.verified else SILENT_S)


def _marks(record: StreamRecord) -> Marks:
    return Marks(verified=record.credential_digest, secret=record.secret_digest)


def _may_inherit(record: StreamRecord, newcomer: Publisher) -> bool:
    left = Left(marks=_marks(record), claim=record.claim, movable=record.movable)
    return may_inherit(left, newcomer.marks, newcomer.ownerless_claim)


def _record(key: str, value: bytes) -> StreamRecord:
    """Raises `Undecodable` also for the record of another stream, which the directory ignores as well."""
    record = decode_json(value, StreamRecord)
    if stream_key(record.app, record.stream) != key:
        raise Undecodable(f"a record of another stream than {key}")
    return record


def _record_or_none(key: str, value: bytes) -> StreamRecord | None:
    try:
        return _record(key, value)
    except Undecodable:
        return None
