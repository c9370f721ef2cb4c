"""A node as a relay child (edge, transcoder): how tracks of other nodes come into this node's plane.

`ChildRelay` (`rillcast.relay.child_relay`) decides and keeps the books of one track. `ChildRelays` carries it out: it
asks parents, commands the plane, and gives relays back. A relay is given back once; if that does not arrive, the parent
misses our keep-alives and removes the relay by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Protocol, TypeVar

from rillcast.cluster.relay_tree import ParentSearch
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, RelayId
from rillcast.contracts.messages import Ack, RelayAnswer, RelayClose, RelayGrant, RelayOpen, RelayReferral
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.media.plane import Plane, PlaneBusy
from rillcast.media.protocol import AddRelaySource, RemoveSource
from rillcast.node.addresses import MediaAddresses
from rillcast.node.relay_keys import RelayKeys
from rillcast.relay.child_relay import ChildRelay, ChildState, HeldRelay
from rillcast.relay.witness import Witness
from rillcast.runtime.ports import Bus

OPEN_TIMEOUT_S = 2.0
"""How long a parent may take to answer."""
HOP_TIMEOUT_S = 0.6
"""How long others may take than the owner: there is always somebody else to ask."""
CLOSE_TIMEOUT_S = 2.0
Answer = TypeVar("Answer")
UNSURE = frozenset((ErrorCode.NO_NODE_AVAILABLE, ErrorCode.SERVER_ERROR))
"""Refusals that leave open whether the parent holds a relay: no answer came in time, or one that makes no sense."""


class _Referred(RillcastError):
    """What an attempt ends with when nobody is left to ask after a referral."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.NO_NODE_AVAILABLE, "those that were named as parents can't be reached")


class Outdated(RillcastError):
    """What an attempt ends with when another node has the track, or the same one under another claim, before the one
    that was asked has answered. That may be a node that never will."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.NO_NODE_AVAILABLE, "another node has the track meanwhile")


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
        gives: bool = False,
        on_outcome: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """`gives`: whether this node is a parent as well (`rillcast.relay.parent`). `on_outcome` hears of each
        question: ``ok``, ``referred``, ``referred_nowhere`` (only to nodes that were tried), the code of a refusal, or
        ``close_`` and the code with which a close failed."""
        self._node = node
        self._bus = bus
        self._plane = plane
        self._addresses = addresses
        self._tasks = tasks
        self._keys = keys
        self._clock = clock
        self._gives = gives
        self._on_outcome = on_outcome
        self._asking: dict[ChildRelay, asyncio.Timeout] = {}
        """What ends the question that is under way."""
        self.witness = Witness(clock)
        """What is heard of parents. It wants the events of the plane."""

    def open(self, relay: ChildRelay, live: LiveStream, supply: TrackSupply) -> Coroutine[None, None, None]:
        """Ask who has the track, and those to whom it sends us: the relay is OPENING from this call on. Await what it
        returns; after that the relay is OPEN, or CLOSED if that happened meanwhile. Raises `RillcastError` as the owner
        refused; then the relay is WAITING and `due` says when to try again."""
        search = relay.search(supply.node)
        parent = search.next()
        assert parent is not None, "a search asks the owner at least"
        asked = _asked(parent, live, supply)
        relay.ask(asked)
        return self._open(relay, live, supply, search, asked)

    def outdate(self, relay: ChildRelay, supply: TrackSupply) -> None:
        """The track is to be had from here now. If somebody else is being asked for it, that attempt ends as
        `Outdated`, and the relay is soon due. Nothing happens otherwise."""
        asking = self._asking.get(relay)
        if asking is not None and not asking.expired() and not relay.asks_for(supply):
            asking.reschedule(asyncio.get_running_loop().time())

    async def _open(
        self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, search: ParentSearch, asked: HeldRelay
    ) -> None:
        settled = False
        try:
            refusal = await self._find(relay, live, supply, search, asked)
            settled = refusal is None
        finally:
            if not settled:  # refused, cancelled, or the plane is busy
                self._give_back(relay.refused(self._clock(), sure=False))
        if isinstance(refusal, Outdated):
            relay.moved(self._clock())
        if refusal is not None:
            raise refusal

    async def _find(
        self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, search: ParentSearch, asked: HeldRelay
    ) -> RillcastError | None:
        """Ask one after the other until one grants. The last refusal if none does."""
        while True:
            refusal = await self._try(relay, live, supply, search, asked)
            if refusal is None:
                return None
            if relay.state is ChildState.CLOSED or isinstance(refusal, Outdated):
                return refusal
            if asked.parent == supply.node and not isinstance(refusal, _Referred):
                return refusal
            parent = search.next()
            if parent is None:
                return refusal
            asked = _asked(parent, live, supply)
            relay.ask_another(asked)

    async def _try(
        self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, search: ParentSearch, asked: HeldRelay
    ) -> RillcastError | None:
        """Ask one parent. None when the relay is open, or was closed meanwhile."""
        parent = asked.parent
        try:
            answer = await self._unless_outdated(relay, self._ask(relay, live, supply, search, asked))
        except RillcastError as refusal:
            search.failed(parent)
            self._passed_over(relay, refusal.code.value, sure=refusal.code not in UNSURE)
            return refusal
        if isinstance(answer, RelayGrant):
            fault = self._take(relay, answer)
            if fault is not None:
                search.failed(parent)
            return fault
        if search.referred(parent, answer.nodes, but=self._node):
            self._passed_over(relay, "referred", sure=True)
            return _Referred()
        search.failed(parent)
        self._passed_over(relay, "referred_nowhere", sure=True)
        return RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"{parent} names nobody who could be reached")

    async def _unless_outdated(self, relay: ChildRelay, question: Coroutine[None, None, Answer]) -> Answer:
        """Its answer. Raises `Outdated`, and whatever the question raises."""
        try:
            async with asyncio.timeout(None) as asking:
                self._asking[relay] = asking
                return await question
        except TimeoutError:
            if asking.expired():
                raise Outdated from None
            raise
        finally:
            del self._asking[relay]

    def close(self, relay: ChildRelay) -> None:
        """The track is no longer wanted: its source ends, and its parent is told."""
        held = relay.close()
        self.witness.ended(relay)
        if relay.ever_open:
            self._plane.execute(RemoveSource(source=relay.source))
        self._give_back(held)

    async def _ask(
        self, relay: ChildRelay, live: LiveStream, supply: TrackSupply, search: ParentSearch, asked: HeldRelay
    ) -> RelayGrant | RelayReferral:
        parent = asked.parent
        request = RelayOpen(
            app=live.app,
            stream=live.stream,
            track=relay.track.track,
            claim=supply.claim,
            child=self._node,
            relay=asked.relay,
            child_address=self._addresses.relay(relay.worker),
            most_level=relay.most_level,
            gives=self._gives,
            unreachable=search.unreachable,
        )
        is_owner = parent == supply.node
        if is_owner:  # others were named by somebody who knows them, and there are more of them
            await self._keys.meet(parent)
        asking = self._keys.ask(request, parent)
        timeout_s = OPEN_TIMEOUT_S if is_owner else HOP_TIMEOUT_S
        answer = await self._bus.request(media_relay_open(parent), asking.request, RelayAnswer, timeout_s=timeout_s)
        try:
            if answer.grant is not None:
                return asking.open(answer.grant)
            if answer.referral is not None:
                return asking.referred(answer.referral)
            raise ValueError("it is empty")
        except ValueError as error:
            raise _unusable(error) from error

    def _take(self, relay: ChildRelay, grant: RelayGrant) -> RillcastError | None:
        """Use a grant. What is wrong with it, if something is. Raises PlaneBusy."""
        try:
            _require_same(relay.track, grant.track)
            relay.require_asked(grant)
            if relay.state is not ChildState.CLOSED:
                self._plane.execute(_source(relay, grant))
        except PlaneBusy as busy:
            self._on_outcome(busy.code.value)
            raise
        except ValueError as error:
            refusal = _unusable(error)
            self._passed_over(relay, refusal.code.value, sure=False)
            return refusal
        self._give_back(relay.granted(grant))
        if relay.state is ChildState.OPEN:
            self.witness.fed(relay)
        self._on_outcome("ok")
        return None

    def _passed_over(self, relay: ChildRelay, outcome: str, *, sure: bool) -> None:
        self._on_outcome(outcome)
        self._give_back(relay.passed_over(sure=sure))

    def _give_back(self, held: HeldRelay | None) -> None:
        if held is not None:
            self._tasks.queue(self._tell(held), f"giving a relay back to {held.parent}")

    async def _tell(self, held: HeldRelay) -> None:
        request = RelayClose(relay=held.relay, child=self._node)
        try:
            await self._bus.request(media_relay_close(held.parent), request, Ack, timeout_s=CLOSE_TIMEOUT_S)
        except RillcastError as refusal:
            self._on_outcome(f"close_{refusal.code.value}")


def _asked(parent: NodeId, live: LiveStream, supply: TrackSupply) -> HeldRelay:
    name = RelayId(secrets.token_hex(8))
    return HeldRelay(parent, name, supply.claim, live.epoch, supply.node)


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
