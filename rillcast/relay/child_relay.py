"""How one track comes into a node, over the time perhaps from several parents, one after the other, into the same
source, so that whoever is sent that source stays. It decides and keeps the books; `rillcast.relay.child` carries it
out.

    WAITING ──ask──▶ OPENING ──granted──▶ OPEN ──lost, moved──▶ WAITING
                        └────refused────▶ WAITING               any ──close──▶ CLOSED

In one attempt several parents may be asked, one after the other (`ParentSearch`). A relay that a parent may hold for us
is given back by exactly one `RelayClose`: when the relay of another parent has replaced it, when the grant came too
late or makes no sense, when nobody knows whether the parent granted it, or when the track is no longer wanted. Two
cases need none: a parent that refused or referred us holds nothing, and a parent that is asked again replaces its own
relay (`rillcast.relay.parent`).
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.relay_tree import MAX_LEVEL, ParentSearch
from rillcast.cluster.stream_directory import TrackSupply
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import UNSAID_CLAIM, ClaimId, NodeId, RelayId
from rillcast.contracts.messages import RelayGrant, RelayLeaving
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import SourceId


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
    owner: NodeId | None = None
    """Who owns what the parent gives; None: the parent itself."""


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
        self.owner: NodeId | None = None
        """Who owned the track when that relay was asked for."""
        self.level = 0
        """How many relays this node is from the owner at most, since that relay was granted."""
        self.children = 0
        """How many relays of others are fed from this one."""
        self.unfed_since = now
        """Since when it is not OPEN, while it is not."""
        self._first: tuple[NodeId, ...] = ()
        self._avoid: tuple[NodeId, ...] = ()
        self._standbys: tuple[NodeId, ...] = ()
        self._backoff = backoff
        self._held: HeldRelay | None = None
        self._asked: HeldRelay | None = None

    def comes_from(self, supply: TrackSupply) -> bool:
        """Whether the last relay that was open is what this supply would give."""
        return (supply.node, supply.claim) == (self.owner, self.claim)

    def asks_for(self, supply: TrackSupply) -> bool:
        """Whether what this supply would give is what a parent is asked for right now."""
        asked = self._asked
        return asked is not None and (asked.owner or asked.parent, asked.claim) == (supply.node, supply.claim)

    @property
    def standbys(self) -> tuple[NodeId, ...]:
        """Whom the present parent named for the time after it."""
        return self._standbys

    @property
    def held(self) -> HeldRelay | None:
        """What the last parent that granted holds for us, until it is given back."""
        return self._held

    @property
    def most_level(self) -> int:
        """The highest level that this node may get now. With children it stays above them, and since none come while
        it is not OPEN, this holds when the answer comes."""
        return self.level if self.children else MAX_LEVEL

    def search(self, owner: NodeId) -> ParentSearch:
        """Whom to ask in the next attempt. Call it once for each."""
        first, self._first = self._first, ()
        return ParentSearch(owner, first=first, unreachable=self._avoid)

    def ask(self, asked: HeldRelay) -> None:
        """A parent is asked for this relay. Call it in the state WAITING only."""
        self._advance(ChildEvent.ASKED)
        self._asked = asked

    def ask_another(self, asked: HeldRelay) -> None:
        """The next parent of the same attempt is asked. Call it in the state OPENING only."""
        if self.state is not ChildState.OPENING:
            raise AssertionError(f"a relay that is {self.state.name} asks nobody else")
        self._asked = asked

    def require_asked(self, grant: RelayGrant) -> None:
        """Raises ValueError when a parent grants a relay under another claim than it was asked for, or too high."""
        if self._asked is not None and grant.claim != self._asked.claim:
            raise ValueError(f"it is under the claim {grant.claim!r}, not {self._asked.claim!r}")
        if grant.level > self.most_level:
            raise ValueError(f"it has level {grant.level}, and the most is {self.most_level}")

    def passed_over(self, *, sure: bool) -> HeldRelay | None:
        """This parent gives nothing, and the attempt goes on with others, or is about to be `refused`. `sure`: it holds
        nothing. What to give back."""
        asked, self._asked = self._asked, None
        return None if sure else asked

    def granted(self, grant: RelayGrant) -> HeldRelay | None:
        """The parent agreed, and the plane has taken the grant unless the relay is closed. What to give back."""
        asked, self._asked = self._asked, None
        if self._advance(ChildEvent.GRANTED) is ChildState.CLOSED or asked is None:
            return asked
        before, self._held = self._held, asked
        self.parent, self.claim, self.epoch = asked.parent, asked.claim, asked.epoch
        self.owner, self.level = asked.owner or asked.parent, grant.level
        self._first, self._avoid = (), ()
        self._standbys = tuple(node for node in grant.standbys if node != asked.parent)
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
        news = self._leave(ChildEvent.LOST, now)
        if news:
            self._go_to_standby(now)
        return news

    def moved(self, now: float) -> bool:
        """Another owner or claim has the track. What comes from the present parent goes on until then. A parent that is
        no owner is asked first: it follows the same owner. This is done at once, since viewers see a still picture
        until it answers, and an owner feeds only so many edges itself."""
        if self.state is ChildState.WAITING:
            self._backoff.reset()
            self.due = min(self.due, now + self._backoff.next_delay_s())
        news = self._leave(ChildEvent.MOVED, now)
        if news and self._backoff.failures == 1:
            self.due = now
        if news and self.parent is not None and self.parent != self.owner:
            self._first = (self.parent,)
        return news

    def left_by(self, leaving: RelayLeaving, now: float) -> bool:
        """The parent says that it is about to end this relay. What comes from it goes on until another one is open.
        False when it is another relay."""
        held = self._held
        if held is None or (held.parent, held.relay) != (leaving.parent, leaving.relay):
            return False
        news = self._leave(ChildEvent.MOVED, now)
        if news:
            self._go_to_standby(now)
        return news

    def _go_to_standby(self, now: float) -> None:
        """Whoever else may have it is asked at once, unless this is the second time in a row. An owner that fell silent
        is asked again first: who has the track from it is silent as well."""
        again = self._backoff.failures > 1
        if self.parent == self.owner:
            self._first = self._standbys if again else ()
        elif self.parent is not None:
            self._first, self._avoid = self._standbys, (self.parent,)
            self.due = self.due if again else now

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
        self.unfed_since = now
        return True

    def _advance(self, event: ChildEvent) -> ChildState:
        self.state = TRANSITIONS[self.state, event]
        return self.state
