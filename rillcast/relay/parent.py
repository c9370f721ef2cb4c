"""A node as a relay parent (origin, transcoder, edge): how tracks of this node get to other nodes.

`ParentRelays` decides and keeps the books: which children have which tracks, under a limit. `RelayParent` carries it
out: it answers the requests of children (`rillcast.relay.child`) and commands the plane.

A relay begins with a `RelayOpen` and ends exactly once: when its child closes it, when the child falls silent
(`RelayChildLost`), when the child asks again for the same track, when the plane refuses it, or when the track ends
here. A child node has at most one relay per track. Asking again, with the same or another relay id, replaces it.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, RelayId, TrackId
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.media.plane import Plane
from rillcast.media.protocol import AddRelay, Error, Event, PlaneRelay, RelayChildLost, RemoveRelay, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.relay_keys import RelayKeys
from rillcast.relay.witness import ParentWitness
from rillcast.runtime.telemetry.tracing import tracer

trace = tracer("rillcast.relay")

RELAY_PAYLOAD_TYPE = 96
"""One relay carries one track, so one number does for all."""
FULL_RETRY_S = 1.0
"""When a child beyond the limit may ask again: others may have left."""
WRONG_CLAIM_RETRY_S = 0.2
"""When a child that names another claim may ask again: its view of the record, or ours, is about to change."""
_KEY_BYTES = 28
"""AEAD_AES_128_GCM: 16 byte key, 12 byte salt (RFC 7714 §12)."""


class ParentRelay(msgspec.Struct, frozen=True, kw_only=True):
    """One track on its way to one child, and the keys that only these two nodes know."""

    plane_relay: PlaneRelay
    relay: RelayId
    child: NodeId
    key: str
    track: TrackId
    source: SourceId
    ssrc: int
    srtp_key: str
    srtcp_key: str

    def command(self) -> AddRelay:
        """The command that makes the plane feed the child."""
        return AddRelay(
            relay=self.plane_relay,
            source=self.source,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
        )

    def grant(self, parent_address: str, claim: ClaimId, track: TrackRecord) -> RelayGrant:
        """What the child has to know to receive the track."""
        return RelayGrant(
            parent_address=parent_address,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
            claim=claim,
            track=track,
        )


class ParentRelays:
    """The books: all relays that this node feeds, found by number, by stream and by the name that the child gave."""

    def __init__(self, child_limit: int) -> None:
        """`child_limit`: nodes fed per stream; beyond it children are sent away."""
        self._child_limit = child_limit
        self._by_plane: dict[PlaneRelay, ParentRelay] = {}
        self._by_stream: dict[str, dict[tuple[TrackId, NodeId], ParentRelay]] = {}
        self._by_name: dict[tuple[RelayId, NodeId], ParentRelay] = {}
        self._ssrcs: set[int] = set()
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_plane)

    def open(
        self, *, key: str, track: TrackId, source: SourceId, child: NodeId, relay: RelayId
    ) -> tuple[ParentRelay, ParentRelay | None]:
        """A new relay, and the one it replaces. Raises HIGH_RESOURCE_USAGE at the child limit."""
        self.admit(key, child)
        before = self._by_stream.get(key, {}).get((track, child))
        if before is not None:
            self.forget(before.plane_relay)
        self._last += 1
        opened = ParentRelay(
            plane_relay=PlaneRelay(self._last),
            relay=relay,
            child=child,
            key=key,
            track=track,
            source=source,
            ssrc=self._new_ssrc(),
            srtp_key=_new_key(),
            srtcp_key=_new_key(),
        )
        self._by_plane[opened.plane_relay] = opened
        self._by_stream.setdefault(key, {})[track, child] = opened
        self._by_name[relay, child] = opened
        return opened, before

    def admit(self, key: str, child: NodeId) -> None:
        """Raises HIGH_RESOURCE_USAGE when another child would be beyond the limit."""
        children = self.children(key)
        if child not in children and len(children) >= self._child_limit:
            raise RillcastError(
                ErrorCode.HIGH_RESOURCE_USAGE,
                f"this stream already feeds {self._child_limit} nodes from here",
                FULL_RETRY_S,
            )

    def named(self, relay: RelayId, child: NodeId) -> ParentRelay | None:
        """The relay with this id, if this child opened it."""
        return self._by_name.get((relay, child))

    def of(self, key: str) -> list[ParentRelay]:
        """The relays that carry tracks of a stream."""
        return list(self._by_stream.get(key, {}).values())

    def children(self, key: str) -> set[NodeId]:
        """The nodes to which this stream goes."""
        return {relay.child for relay in self.of(key)}

    def to(self, child: NodeId) -> list[PlaneRelay]:
        """The relays that feed this node, whatever they carry."""
        return [number for number, relay in self._by_plane.items() if relay.child == child]

    def forget(self, plane_relay: PlaneRelay) -> ParentRelay | None:
        """Forget a relay that is closed. Returns the relay that it was."""
        relay = self._by_plane.pop(plane_relay, None)
        if relay is None:
            return None
        self._ssrcs.discard(relay.ssrc)
        if self._by_name.get((relay.relay, relay.child)) is relay:
            del self._by_name[relay.relay, relay.child]
        places = self._by_stream[relay.key]
        del places[relay.track, relay.child]
        if not places:
            del self._by_stream[relay.key]
        return relay

    def _new_ssrc(self) -> int:
        while True:
            ssrc = secrets.randbelow((1 << 32) - 1) + 1
            if ssrc not in self._ssrcs:
                self._ssrcs.add(ssrc)
                return ssrc


class RelayOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One track that this node serves to children."""

    key: str
    """What the relays of the same stream or job have in common: the child limit holds for all of them together."""
    track: TrackRecord
    worker: int
    claim: ClaimId
    """Under which this node has the stream or the job. Children that name another one are refused."""
    source: Callable[[], SourceId]
    """The plane's source, begun now if there was none. Called once the child is admitted."""


class RelayParent:
    """Serves children. One per node; what it serves is asked of the service at every request."""

    def __init__(
        self,
        *,
        plane: Plane,
        addresses: MediaAddresses,
        offer_of: Callable[[RelayOpen], RelayOffer],
        child_limit: int,
        keys: RelayKeys,
        span: str = "relay.open",
        on_outcome: Callable[[str], None] = lambda _outcome: None,
        on_count: Callable[[int], None] = lambda _count: None,
        on_child_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """`offer_of` raises `RillcastError`, mostly NO_STREAM_EXIST, when the track is not served here. `child_limit`:
        nodes fed per key. `span`: its name in traces. `on_outcome` hears of each request: ``ok`` or the code of the
        refusal; `on_count` how many relays there are, at every change; `on_child_lost` of each child that fell
        silent."""
        self._plane = plane
        self._addresses = addresses
        self._offer_of = offer_of
        self._relays = ParentRelays(child_limit)
        self._keys = keys
        self._span = span
        self._on_outcome = on_outcome
        self._on_count = on_count
        self._on_child_lost = on_child_lost
        self.witness = ParentWitness(plane, self._relays.to)
        """What is heard of children. It wants the events of the plane."""

    def __len__(self) -> int:
        return len(self._relays)

    async def open(self, request: RelayOpen) -> RelayGrant:
        """Serve `subjects.media_relay_open`. Raises what `RelayKeys.check` and `offer_of` raise, HIGH_RESOURCE_USAGE at
        the child limit, and NO_STREAM_EXIST for a claim that is not served here."""
        with trace.start_as_current_span(self._span, attributes={"rillcast.track": request.track}):
            try:
                await self._keys.expect(request)
                self._keys.check(request)
                grant = self._keys.seal(request, self._open(request))
            except RillcastError as refusal:
                self._on_outcome(refusal.code.value)
                raise
            self._on_outcome("ok")
            return grant

    async def close(self, request: RelayClose) -> Ack:
        """Serve `subjects.media_relay_close`. Closing an unknown relay, or another child's, succeeds and does
        nothing."""
        relay = self._relays.named(request.relay, request.child)
        if relay is not None:
            self._end(relay)
        return Ack()

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane. What the plane has ended already is forgotten."""
        match event:
            case RelayChildLost(relay=relay):
                if self._forget(relay):
                    self._on_child_lost()
            case Error(command="add_relay", id=relay):
                self._forget(PlaneRelay(relay))
            case _:
                pass

    def end(self, key: str, track: TrackId | None = None) -> None:
        """The stream or job, or one track of it, is no longer served: its relays end. Call before its sources end."""
        for relay in self._relays.of(key):
            if track is None or relay.track == track:
                self._end(relay)

    def children(self, key: str) -> int:
        """How many nodes take something of this stream or job."""
        return len(self._relays.children(key))

    def tracks(self, key: str) -> set[TrackId]:
        """The tracks of this stream or job that some child takes."""
        return {relay.track for relay in self._relays.of(key)}

    def _open(self, request: RelayOpen) -> RelayGrant:
        offer = self._offer_of(request)
        if request.claim != offer.claim:
            raise RillcastError(
                ErrorCode.NO_STREAM_EXIST,
                f"the track is served under the claim {offer.claim!r} here, not {request.claim!r}",
                WRONG_CLAIM_RETRY_S,
            )
        self._relays.admit(offer.key, request.child)
        relay, before = self._relays.open(
            key=offer.key,
            track=offer.track.track,
            source=offer.source(),
            child=request.child,
            relay=request.relay,
        )
        try:
            if before is not None:
                self._plane.execute(RemoveRelay(relay=before.plane_relay))
            self._plane.execute(relay.command())
        except BaseException:
            self._relays.forget(relay.plane_relay)
            raise
        finally:
            self._on_count(len(self._relays))
        return relay.grant(self._addresses.relay(offer.worker), offer.claim, offer.track)

    def _end(self, relay: ParentRelay) -> None:
        if self._forget(relay.plane_relay):
            self._plane.execute(RemoveRelay(relay=relay.plane_relay))

    def _forget(self, plane_relay: PlaneRelay) -> bool:
        known = self._relays.forget(plane_relay) is not None
        self._on_count(len(self._relays))
        return known


def _new_key() -> str:
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()
