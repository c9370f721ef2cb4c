"""Claiming a stream's key, and getting it from a node that has it. Every claim ends in a held lease or a refusal."""

from __future__ import annotations

import msgspec

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.contracts.records import StreamRecord
from services.origin.domain.takeover import is_same_publisher
from services.origin.ports import Bus, Clock, KeyValue
from services.origin.usecases.publication import Publication

_ATTEMPTS = 4
_OWNER_TIMEOUT_S = 1.0


class Claims:
    """Takes keys of the streams bucket for this node."""

    def __init__(self, node: NodeId, streams: KeyValue, bus: Bus, clock: Clock, lease_s: float) -> None:
        self._node = node
        self._streams = streams
        self._bus = bus
        self._clock = clock
        self._lease_s = lease_s

    async def claim(self, publication: Publication) -> bool:
        """Make `publication.keeper` hold the key. True when the stream was alive elsewhere with media and goes on here.
        Raises STREAM_ID_IN_USE, or STORE_UNAVAILABLE."""
        replace: int | None = None
        displaced: SessionId | None = None
        for _ in range(_ATTEMPTS):
            publication.keeper = self._keeper(publication, replace)
            if await publication.keeper.claim():
                return publication.media_flowing
            entry = await self._streams.get(publication.key)
            if entry is None or entry.value is None:
                replace = None
                continue
            record = _decode(entry.value)
            if record is not None and record.publisher_session != displaced:
                await self._displace(record, publication.request.credential_digest)
                displaced = record.publisher_session
                publication.inherit(record)
            replace = entry.revision
        raise in_use()

    async def _displace(self, record: StreamRecord, credential_digest: str) -> None:
        """Get the present owner to give the stream up, or find that it can't any more."""
        rightful = is_same_publisher(record.credential_digest, credential_digest)
        if record.owner == self._node:
            # Left by this node's previous process. Nobody lives there, but only its publisher is known to be rightful.
            if not rightful:
                raise in_use(self._lease_s)
            return
        request = HandOverRequest(session=record.publisher_session, rightful=rightful)
        try:
            await self._bus.request(subjects.origin_hand_over(record.owner), request, Ack, timeout_s=_OWNER_TIMEOUT_S)
        except RillcastError as refusal:
            if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                raise
            if not rightful:
                raise in_use(self._lease_s) from refusal

    def _keeper(self, publication: Publication, replace: int | None) -> LeaseKeeper:
        def is_ours(value: bytes) -> bool:
            record = _decode(value)
            return record is not None and publication.is_ours(record)

        return LeaseKeeper(
            self._streams,
            publication.key,
            Lease(self._lease_s, self._clock(), replace_revision=replace),
            record_of=lambda epoch, since_epoch: msgspec.json.encode(publication.record(epoch, since_epoch)),
            is_ours=is_ours,
            clock=self._clock,
        )


def in_use(retry_after_s: float | None = None) -> RillcastError:
    """The stream id belongs to somebody else."""
    return RillcastError(ErrorCode.STREAM_ID_IN_USE, "another publisher has this stream id", retry_after_s)


def _decode(value: bytes) -> StreamRecord | None:
    try:
        return msgspec.json.decode(value, type=StreamRecord)
    except msgspec.MsgspecError:
        return None
