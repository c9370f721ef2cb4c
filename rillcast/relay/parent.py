"""A node as a relay parent (origin, transcoder, edge): how tracks of this node get to other nodes.

`ParentRelays` (`rillcast.relay.books`) decides and keeps the books. `RelayParent` carries it out: it answers the
requests of children (`rillcast.relay.child`) and commands the plane.

A relay begins with a `RelayOpen` and ends exactly once: when its child closes it, when the child falls silent
(`RelayChildLost`), when the child asks again for the same track, when the plane refuses it, or when the track ends
here. A child node has at most one relay per track. Asking again, with the same or another relay id, replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec

from rillcast.cluster.placement.nearness import Place
from rillcast.cluster.relay_tree import MAX_LEVEL, Asker, Complaints, FedChild, Here, is_full, refer, standbys
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, TrackId
from rillcast.contracts.messages import Ack, NodeReport, RelayAnswer, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import NodeKind
from rillcast.media.plane import Plane
from rillcast.media.protocol import Error, Event, PlaneRelay, RelayChildLost, RelayMeasured, RemoveRelay, SourceId
from rillcast.node import metrics
from rillcast.node.addresses import MediaAddresses
from rillcast.node.relay_keys import RelayKeys
from rillcast.relay.books import ParentRelay, ParentRelays, nothing
from rillcast.relay.witness import ParentWitness
from rillcast.runtime.telemetry.tracing import tracer

trace = tracer("rillcast.relay")

WRONG_CLAIM_RETRY_S = 0.2
"""When a child that names another claim may ask again: its view of the record, or ours, is about to change."""


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
    level: int = 0
    """How many relays this node is from the owner of the track at most; 0: it is the owner."""
    above: NodeId | None = None
    """From whom this node has the track; None: it is the owner."""
    on_end: Callable[[], None] = nothing
    """Called once for each call of `source`, when the relay ends."""


async def _at_once(_request: RelayOpen) -> None:
    """Where what is served is there, or never will be."""


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
        here: Place | None = None,
        known: Callable[[NodeId], NodeReport | None] = lambda _: None,
        edges_at: Callable[[Place], int] = lambda _: 0,
        ready: Callable[[RelayOpen], Awaitable[None]] = _at_once,
        clock: Callable[[], float] = time.monotonic,
        span: str = "relay.open",
        on_outcome: Callable[[str], None] = lambda _outcome: None,
        on_count: Callable[[int], None] = lambda _count: None,
        on_child_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """`offer_of` raises `RillcastError`, mostly NO_STREAM_EXIST, when the track is not served here. `child_limit`:
        edges fed per key, and as many other nodes. `here`: where this node is. `known`: the last report of a node that
        lives; None for any other. `edges_at`: how many edges live in a zone. `ready`: waits a moment for what
        `offer_of` will find. `span`: its name in traces. `on_outcome` hears of each request: ``ok``, ``referred`` or
        the code of the refusal; `on_count` how many relays there are, at every change; `on_child_lost` of each child
        that fell silent."""
        self._plane = plane
        self._addresses = addresses
        self._offer_of = offer_of
        self._child_limit = child_limit
        self._relays = ParentRelays()
        self._keys = keys
        self._here = here or Place()
        self._known = known
        self._edges_at = edges_at
        self._ready = ready
        self._clock = clock
        self._complaints = Complaints()
        self._span = span
        self._on_outcome = on_outcome
        self._on_count = on_count
        self._on_child_lost = on_child_lost
        self.witness = ParentWitness(plane, self._relays.to, self._relays.child_of)
        """What is heard of children. It wants the events of the plane."""

    def __len__(self) -> int:
        return len(self._relays)

    async def open(self, request: RelayOpen) -> RelayAnswer:
        """Serve `subjects.media_relay_open`. Raises what `RelayKeys.check` and `offer_of` raise, HIGH_RESOURCE_USAGE
        when there is no place for the child, here or below, and NO_STREAM_EXIST for a claim that is not served here."""
        with trace.start_as_current_span(self._span, attributes={"rillcast.track": request.track}):
            try:
                await self._keys.expect(request)
                self._keys.check(request)
                await self._ready(request)
                answer = self._answer(request)
            except RillcastError as refusal:
                self._on_outcome(refusal.code.value)
                raise
            self._on_outcome("ok" if answer.grant is not None else "referred")
            return answer

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
            case RelayMeasured(relay=relay, rtt_us=rtt_us):
                if (level := self._relays.level_of(relay)) is not None:
                    metrics.RELAY_HOP.labels(str(level)).observe(rtt_us / 2e6)
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

    def fed(self) -> set[NodeId]:
        """All nodes that take something from here."""
        return self._relays.all_children()

    def tracks(self, key: str) -> set[TrackId]:
        """The tracks of this stream or job that some child takes."""
        return {relay.track for relay in self._relays.of(key)}

    def relays(self, key: str, track: TrackId | None = None) -> list[ParentRelay]:
        """The relays that carry a stream or job from here, or one track of it."""
        return [relay for relay in self._relays.of(key) if track is None or relay.track == track]

    def _answer(self, request: RelayOpen) -> RelayAnswer:
        offer = self._offer_of(request)
        if request.claim != offer.claim:
            raise RillcastError(
                ErrorCode.NO_STREAM_EXIST,
                f"the track is served under the claim {offer.claim!r} here, not {request.claim!r}",
                WRONG_CLAIM_RETRY_S,
            )
        self._end_former(offer.key)
        asker = self._asker(request)
        children = self._children(offer)
        here = Here(place=self._here, level=offer.level, full=self._is_full(offer.key, asker))
        now = self._clock()
        self._complaints.note(asker.unreachable.intersection(child.node for child in children), now)
        others = refer(asker, here, children, lambda node: self._complaints.of(node, now))
        if others:
            return RelayAnswer(referral=self._keys.refer(request, others))
        siblings = [child for child in children if child.node != asker.node]
        grant = self._grant(request, offer, standbys(asker, offer.above, siblings))
        return RelayAnswer(grant=self._keys.seal(request, grant))

    def _end_former(self, key: str) -> None:
        """Who started anew has forgotten its relays: they hold no place, and nobody is sent to it for their sake."""
        for relay in self._relays.of(key):
            report = self._known(relay.child)
            if relay.incarnation and report is not None and report.info.incarnation != relay.incarnation:
                self._end(relay)

    def _asker(self, request: RelayOpen) -> Asker:
        report = self._known(request.child)
        place = _place(report)
        return Asker(
            node=request.child,
            place=place,
            is_edge=report is None or report.info.kind is NodeKind.EDGE,
            most_level=min(request.most_level, MAX_LEVEL),
            unreachable=frozenset(request.unreachable),
            large_zone=self._edges_at(place) > self._child_limit,
        )

    def _children(self, offer: RelayOffer) -> list[FedChild]:
        found = []
        for relay in self.relays(offer.key, offer.track.track):
            report = self._known(relay.child)
            stays = report is None or (report.info.kind is NodeKind.EDGE and not report.draining)
            gives = relay.gives and stays
            found.append(FedChild(node=relay.child, place=_place(report), level=relay.level, gives=gives))
        return found

    def _is_full(self, key: str, asker: Asker) -> bool:
        fed = [self._known(node) for node in self._relays.children(key) - {asker.node}]
        edges = [report for report in fed if report is None or report.info.kind is NodeKind.EDGE]
        if not asker.is_edge:
            return len(fed) - len(edges) >= self._child_limit
        return is_full(asker, self._here, [_place(report) for report in edges], self._child_limit)

    def _grant(self, request: RelayOpen, offer: RelayOffer, standbys: tuple[NodeId, ...]) -> RelayGrant:
        report = self._known(request.child)
        relay, before = self._relays.open(
            key=offer.key,
            track=offer.track.track,
            source=offer.source(),
            child=request.child,
            relay=request.relay,
            level=offer.level + 1,
            gives=request.gives,
            incarnation=report.info.incarnation if report is not None else "",
            on_end=offer.on_end,
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
        return relay.grant(self._addresses.relay(offer.worker), offer.claim, offer.track, standbys)

    def _end(self, relay: ParentRelay) -> None:
        if self._forget(relay.plane_relay):
            self._plane.execute(RemoveRelay(relay=relay.plane_relay))

    def _forget(self, plane_relay: PlaneRelay) -> bool:
        known = self._relays.forget(plane_relay) is not None
        self._on_count(len(self._relays))
        return known


def _place(report: NodeReport | None) -> Place:
    return Place() if report is None else Place(report.info.region, report.info.zone)
