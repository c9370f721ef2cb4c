"""A node as a relay child (edge, transcoder): how a track of another node comes into this node's plane.

`ChildRelay` decides and keeps the books of one track: over the time it may come from several parents, one after the
other, into the same source, so that whoever is sent that source stays. `ChildRelays` carries it out: it asks parents,
commands the plane, and gives relays back.

    WAITING ──ask──▶ OPENING ──granted──▶ OPEN ──lost, moved──▶ WAITING
                        └────refused────▶ WAITING               any ──close──▶ CLOSED

A relay that a parent may hold for us is given back by exactly one `RelayClose`: when the relay of another parent has
replaced it, when the grant came too late or makes no sense, when nobody knows whether the parent granted it, or when
the track is no longer wanted. Two cases need none: a parent that refused holds nothing, and a parent that is asked
again replaces its own relay (`rillcast.relay.parent`). The close is asked for once; if it does not arrive, the parent
misses our keep-alives and removes the relay by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Protocol

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import UNSAID_CLAIM, ClaimId, NodeId, RelayId
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.media.plane import Plane, PlaneBusy
from rillcast.media.protocol import AddRelaySource, RemoveSource, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.relay_keys import RelayKeys
from rillcast.relay.witness import Witness
from rillcast.runtime.ports import Bus

OPEN_TIMEOUT_S = 2.0
"""How long a parent may take to answer."""
CLOSE_TIMEOUT_S = 2.0
UNSURE = frozenset((ErrorCode.NO_NODE_AVAILABLE, ErrorCode.SERVER_ERROR))
"""Refusals that leave open whether the parent holds a relay: no answer came in time, or one that makes no sense."""


class ChildState(Enum):
    """How far the relay of one track is, at the child."""

    WAITING = auto()
    """Nobody is asked; `ChildRelay.due` says when to ask."""
    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


class ChildEvent(Enum):
    """What can happen to a relay."""

    ASKED = auto()
    """A parent is asked."""
    GRANTED = auto()
    REFUSED = auto()
    """The parent refused or did not answer."""
    LOST = auto()
    """The plane hears nothing from the parent."""
    MOVED = auto()
    """Another node has the track now, or the same under another claim."""
    CLOSED = auto()
    """The track is no longer wanted."""


TRANSITIONS: dict[tuple[ChildState, ChildEvent], ChildState] = {
    (ChildState.WAITING, ChildEvent.ASKED): ChildState.OPENING,
    (ChildState.WAITING, ChildEvent.LOST): ChildState.WAITING,
    (ChildState.WAITING, ChildEvent.MOVED): ChildState.WAITING,
    (ChildState.WAITING, ChildEvent.CLOSED): ChildState.CLOSED,
    (ChildState.OPENING, ChildEvent.GRANTED): ChildState.OPEN,
    (ChildState.OPENING, ChildEvent.REFUSED): ChildState.WAITING,
    (ChildState.OPENING, ChildEvent.LOST): ChildState.OPENING,
    (ChildState.OPENING, ChildEvent.MOVED): ChildState.OPENING,
    (ChildState.OPENING, ChildEvent.CLOSED): ChildState.CLOSED,
    (ChildState.OPEN, ChildEvent.LOST): ChildState.WAITING,
    (ChildState.OPEN, ChildEvent.MOVED): ChildState.WAITING,
    (ChildState.OPEN, ChildEvent.CLOSED): ChildState.CLOSED,
    # A question may be on its way while the relay is closed; its answer still comes.
    (ChildState.CLOSED, ChildEvent.GRANTED): ChildState.CLOSED,
    (ChildState.CLOSED, ChildEvent.REFUSED): ChildState.CLOSED,
    (ChildState.CLOSED, ChildEvent.LOST): ChildState.CLOSED,
    (ChildState.CLOSED, ChildEvent.MOVED): ChildState.CLOSED,
}
"""Every pair that is not here is a bug of the caller."""


class HeldRelay(msgspec.Struct, frozen=True):
    """A relay that a parent holds for us, or may hold."""

    parent: NodeId
    relay: RelayId
    claim: ClaimId
    """Under which the parent has what it gives."""
    epoch: Epoch
    """Of the stream, as this node knew it when it asked."""


class ChildRelay:
    """One track on its way here. Decides only: every call that ends a relay answers with what has to be given back."""

    def __init__(self, track: TrackRecord, *, source: SourceId, worker: int, now: float, backoff: Backoff) -> None:
        """`source`: the plane's id, for the whole life of this relay. `worker`: the worker that has it."""
        self.track = track
        """The track as the present parent describes it."""
        self.source = source
        self.worker = worker
        self.state = ChildState.WAITING
        self.due = now
        """The time at which to ask a parent; it counts in the state WAITING."""
        self.ever_open = False
        """Whether the plane has, or had, the source."""
        self.parent: NodeId | None = None
        """The parent of the last relay that was open."""
        self.claim = UNSAID_CLAIM
        """The claim under which that relay was granted."""
        self.epoch = Epoch()
        """The epoch of the stream for which that relay was asked; that of nobody before the first one."""
        self._backoff = backoff
        self._held: HeldRelay | None = None
        self._asked: HeldRelay | None = None

    def comes_from(self, supply: TrackSupply) -> bool:
        """Whether the last relay that was open is what this supply would give."""
        return (supply.node, supply.claim) == (self.parent, self.claim)

    def ask(self, asked: HeldRelay) -> None:
        """A parent is asked for this relay. Call it in the state WAITING only."""
        self._advance(ChildEvent.ASKED)
        self._asked = asked

    def require_asked(self, grant: RelayGrant) -> None:
        """Raises ValueError when a parent grants a relay under another claim than it was asked for."""
        if self._asked is not None and grant.claim != self._asked.claim:
            raise ValueError(f"it is under the claim {grant.claim!r}, not {self._asked.claim!r}")

    def granted(self, grant: RelayGrant) -> HeldRelay | None:
        """The parent agreed, and the plane has taken the grant unless the relay is closed. What to give back."""
        asked, self._asked = self._asked, None
        if self._advance(ChildEvent.GRANTED) is ChildState.CLOSED or asked is None:
            return asked
        before, self._held = self._held, asked
        self.parent, self.claim, self.epoch = asked.parent, asked.claim, asked.epoch
        self.track, self.ever_open = grant.track, True
        return before if before is not None and before.parent != asked.parent else None

    def refused(self, now: float, *, sure: bool) -> HeldRelay | None:
        """The parent refused, or did not answer. `sure`: it holds nothing. What to give back."""
        asked, self._asked = self._asked, None
        if self._advance(ChildEvent.REFUSED) is ChildState.WAITING:
            self.due = now + self._backoff.next_delay_s()
        return None if sure else asked

    def lost(self, now: float) -> bool:
        """The plane hears nothing from the parent. False when that is no news."""
        return self._leave(ChildEvent.LOST, now)

    def moved(self, now: float) -> bool:
        """Another parent should be asked. What comes from the present one goes on until then."""
        if self.state is ChildState.WAITING:
            self._backoff.reset()
            self.due = min(self.due, now + self._backoff.next_delay_s())
        return self._leave(ChildEvent.MOVED, now)

    def flows(self) -> None:
        """Media arrives: the next failure is a first one."""
        self._backoff.reset()

    def close(self) -> HeldRelay | None:
        """The track is no longer wanted. What to give back now; what is asked for is given back by its answer."""
        self._advance(ChildEvent.CLOSED)
        held, self._held = self._held, None
        return held

    def _leave(self, event: ChildEvent, now: float) -> bool:
        before = self.state
        if self._advance(event) is before:
            return False
        self.due = now + self._backoff.next_delay_s()
        return True

    def _advance(self, event: ChildEvent) -> ChildState:
        self.state = TRANSITIONS[self.state, event]
        return self.state


class Tasks(Protocol):
    """The part of `rillcast.node.background.BackgroundTasks` that relays need."""

    def queue(self, work: Coroutine[None, None, None], name: str) -> None: ...


class ChildRelays:
    """Asks parents and commands the plane, for all relays into one node."""

    def __init__(
        self,
        *,
        node: NodeId,
        bus: Bus,
        plane: Plane,
        addresses: MediaAddresses,
        tasks: Tasks,
        keys: RelayKeys,
        clock: Callable[[], float],
        on_outcome: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """`on_outcome` hears of each attempt: ``ok``, the code of a refusal, or ``close_`` and the code with which a
        close failed."""
        self._node = node
        self._bus = bus
        self._plane = plane
        self._addresses = addresses
        self._tasks = tasks
        self._keys = keys
        self._clock = clock
        self._on_outcome = on_outcome
        self.witness = Witness(clock)
        """What is heard of parents. It wants the events of the plane."""

    def open(self, relay: ChildRelay, live: LiveStream, supply: TrackSupply) -> Coroutine[None, None, None]:
        """Ask the node that has the track: the relay is OPENING from this call on. Await what it returns; after that
        the relay is OPEN, or CLOSED if that happened meanwhile. Raises `RillcastError` as the parent refused; then the
        relay is WAITING and `due` says when to try again."""
        name = RelayId(secrets.token_hex(8))
        relay.ask(HeldRelay(supply.node, name, supply.claim, live.epoch))
        return self._open(relay, live, supply, name)

    async def _open(self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, name: RelayId) -> None:
        answered = False
        try:
            grant = await self._ask(relay, live, supply, name)
            answered = True
        except RillcastError as refusal:
            answered = True
            self._refused(relay, refusal, sure=refusal.code not in UNSURE)
            raise
        finally:
            if not answered:  # cancelled
                self._give_back(relay.refused(self._clock(), sure=False))
        self._take(relay, grant)

    def close(self, relay: ChildRelay) -> None:
        """The track is no longer wanted: its source ends, and its parent is told."""
        held = relay.close()
        self.witness.ended(relay)
        if relay.ever_open:
            self._plane.execute(RemoveSource(source=relay.source))
        self._give_back(held)

    async def _ask(self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, name: RelayId) -> RelayGrant:
        request = RelayOpen(
            app=live.app,
            stream=live.stream,
            track=relay.track.track,
            claim=supply.claim,
            child=self._node,
            relay=name,
            child_address=self._addresses.relay(relay.worker),
        )
        await self._keys.meet(supply.node)
        asking = self._keys.ask(request, supply.node)
        subject = media_relay_open(supply.node)
        grant = await self._bus.request(subject, asking.request, RelayGrant, timeout_s=OPEN_TIMEOUT_S)
        try:
            return asking.open(grant)
        except ValueError as error:
            raise _unusable(error) from error

    def _take(self, relay: ChildRelay, grant: RelayGrant) -> None:
        try:
            _require_same(relay.track, grant.track)
            relay.require_asked(grant)
            if relay.state is not ChildState.CLOSED:
                self._plane.execute(_source(relay, grant))
        except PlaneBusy as busy:
            self._refused(relay, busy, sure=False)
            raise
        except ValueError as error:
            refusal = _unusable(error)
            self._refused(relay, refusal, sure=False)
            raise refusal from error
        self._give_back(relay.granted(grant))
        if relay.state is ChildState.OPEN:
            self.witness.fed(relay)
        self._on_outcome("ok")

    def _refused(self, relay: ChildRelay, refusal: RillcastError, *, sure: bool) -> None:
        self._on_outcome(refusal.code.value)
        self._give_back(relay.refused(self._clock(), sure=sure))

    def _give_back(self, held: HeldRelay | None) -> None:
        if held is not None:
            self._tasks.queue(self._tell(held), f"giving a relay back to {held.parent}")

    async def _tell(self, held: HeldRelay) -> None:
        request = RelayClose(relay=held.relay, child=self._node)
        try:
            await self._bus.request(media_relay_close(held.parent), request, Ack, timeout_s=CLOSE_TIMEOUT_S)
        except RillcastError as refusal:
            self._on_outcome(f"close_{refusal.code.value}")


def _unusable(error: ValueError) -> RillcastError:
    return RillcastError(ErrorCode.SERVER_ERROR, f"the parent's grant: {error}")


def _require_same(asked: TrackRecord, granted: TrackRecord) -> None:
    """Raises ValueError when a parent grants something else than it was asked for."""
    if granted.track != asked.track:
        raise ValueError(f"it is the track {granted.track}, not {asked.track}")
    if granted.codec != asked.codec:
        raise ValueError(f"it is {granted.codec}, not {asked.codec}")


def _source(relay: ChildRelay, grant: RelayGrant) -> AddRelaySource:
    return AddRelaySource(
        source=relay.source,
        worker=relay.worker,
        kind=grant.track.kind,
        codec=grant.track.codec,
        clock_rate=grant.track.clock_rate,
        parent=grant.parent_address,
        ssrc=grant.ssrc,
        srtp_key=grant.srtp_key,
        srtcp_key=grant.srtcp_key,
    )
