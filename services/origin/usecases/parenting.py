"""Relay requests of other nodes for the streams that live here."""

from __future__ import annotations

from opentelemetry import trace

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId, stream_key
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.media import protocol
from rillcast.node.addresses import MediaAddresses
from rillcast.relay.parent import ParentRelays
from services.origin import metrics
from services.origin.ports import Plane
from services.origin.usecases.publication import Publication

tracer = trace.get_tracer("rillcast.origin")


class Parenting:
    """Gives tracks of this node's streams to children."""

    def __init__(self, plane: Plane, addresses: MediaAddresses, child_limit: int) -> None:
        self._plane = plane
        self._addresses = addresses
        self._relays = ParentRelays(child_limit)
        self._streams: dict[str, Publication] = {}
        self._by_source: dict[int, tuple[Publication, TrackId]] = {}

    async def open(self, request: RelayOpen) -> RelayGrant:
        """Serve `subjects.media_relay_open`."""
        with tracer.start_as_current_span("origin.relay_open", attributes={"rillcast.track": request.track}):
            try:
                grant = self._open(request)
            except RillcastError as refusal:
                metrics.RELAY_OPENS.labels(refusal.code.value).inc()
                raise
            metrics.RELAY_OPENS.labels("ok").inc()
            return grant

    async def close(self, request: RelayClose) -> Ack:
        """Serve `subjects.media_relay_close`. Closing an unknown relay succeeds."""
        relay = self._relays.named(request.relay, request.child)
        if relay is not None:
            self._remove(relay.plane_relay)
        return Ack()

    def on_event(self, event: object) -> None:
        """Take in an event of the plane."""
        if isinstance(event, protocol.RelayChildLost) and self._relays.forget(event.relay) is not None:
            metrics.RELAY_CHILDREN_LOST.inc()
            metrics.RELAYS.set(len(self._relays))

    def add(self, publication: Publication) -> None:
        """The stream's tracks may be given away from now on, to children that know its epoch."""
        self._streams[publication.key] = publication
        self._by_source.update({source: (publication, track) for track, source in publication.sources.items()})

    def remove(self, publication: Publication) -> None:
        """The stream's sources end, and their relays with them."""
        for relay in self._relays.of(publication.key):
            self._remove(relay.plane_relay)
        self._streams.pop(publication.key, None)
        for source in publication.sources.values():
            self._by_source.pop(source, None)

    def source_of(self, source: int) -> tuple[Publication, TrackId] | None:
        """Stream and track of a source."""
        return self._by_source.get(source)

    def children(self, key: str) -> int:
        """How many nodes the stream goes to."""
        return len(self._relays.children(key))

    def _open(self, request: RelayOpen) -> RelayGrant:
        key = stream_key(request.app, request.stream)
        publication = self._streams.get(key)
        if publication is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node does not have the stream")
        lease = publication.keeper.lease
        if not lease.since_epoch <= request.epoch <= lease.epoch:
            raise RillcastError(
                ErrorCode.NO_STREAM_EXIST, f"the stream has epoch {lease.epoch} here, not {request.epoch}", 0.2
            )
        source = publication.sources.get(request.track)
        if source is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream has no such track")
        relay, before = self._relays.open(
            key=key, track=request.track, source=source, child=request.child, relay=request.relay
        )
        if before is not None:
            self._plane.execute(protocol.RemoveRelay(relay=before.plane_relay))
        metrics.RELAYS.set(len(self._relays))
        self._plane.execute(relay.command())
        parent_address = self._addresses.relay(publication.worker)
        return relay.grant(parent_address, lease.epoch, publication.tracks[request.track])

    def _remove(self, plane_relay: int) -> None:
        if self._relays.forget(plane_relay) is not None:
            self._plane.execute(protocol.RemoveRelay(relay=plane_relay))
            metrics.RELAYS.set(len(self._relays))
