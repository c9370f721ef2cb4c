"""Joins and events as our own REST shows them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import Role

LIVE, OVER, REFUSED, FAILED, LOST = "live", "over", "refused", "failed", "lost"
STATES = (LIVE, OVER, REFUSED, FAILED, LOST)


class JoinMove(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One time when a session had to leave its node."""

    at_ms: int
    """When its node was taken for gone, or said that it drains."""
    left: str
    """The node that it had to leave."""
    why: str = ""
    """``node_gone``, or a word of the reference of ends."""
    node: str = ""
    """Where it went on; empty: nowhere."""
    back_ms: int | None = None
    """When it was connected there."""


class JoinStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A join and what became of it. Times are Unix milliseconds; null: it never came so far."""

    id: str
    """Made for this list; it opens nothing."""
    app: str
    stream: str
    role: Role
    state: str
    """``live``; ``over``; ``refused`` (it was not let in, or no node took it); ``failed`` (it never connected);
    ``lost`` (the signaling process that knew of it is gone, and nobody says what became of it)."""
    reason: str = ""
    """Why it is over, or came to nothing: a word of the reference of ends, or of errors."""
    who: str = ""
    """The subscriber id that the client showed; empty when it showed none."""
    address: str = ""
    """From where the client came."""
    node: str = ""
    """The origin of a publisher, or the edge of a viewer; empty when no node had it."""
    zone: str = ""
    """Where that node is."""
    instance: str = ""
    """The signaling node that let it in."""
    asked_ms: int | None = None
    """When nodes were asked for it."""
    opened_ms: int | None = None
    """When a node had answered."""
    connected_ms: int | None = None
    """When ICE and DTLS were up."""
    media_ms: int | None = None
    """When the first packet of media had come (publisher) or gone (viewer)."""
    ended_ms: int | None = None
    moves: int = 0
    """How often it had to leave its node."""
    trail: list[JoinMove] = []
    """The last of these times, the oldest first."""


Alive = Callable[[NodeId, str], bool]
"""Whether a process lives, by its node and its incarnation."""


def join_status(event: ClusterEvent, alive: Alive) -> JoinStatus | None:
    """None for an event without a session."""
    fate = event.session
    if fate is None:
        return None
    instance, _, incarnation = fate.instance.partition("/")
    return JoinStatus(
        id=fate.id,
        app=event.app,
        stream=event.stream,
        role=fate.role,
        state=_state(event, lives=alive(NodeId(instance), incarnation)),
        reason=fate.reason,
        who=fate.who,
        address=fate.address,
        node=event.node,
        zone=event.zone,
        instance=instance,
        asked_ms=fate.asked_ms or None,
        opened_ms=fate.opened_ms or None,
        connected_ms=fate.connected_ms or None,
        media_ms=fate.media_ms or None,
        ended_ms=fate.ended_ms or None,
        moves=fate.moves,
        trail=[
            JoinMove(at_ms=move.at_ms, left=move.left, why=move.why, node=move.node, back_ms=move.back_ms or None)
            for move in fate.trail
        ],
    )


def _state(event: ClusterEvent, *, lives: bool) -> str:
    if event.kind is EventKind.JOIN_REFUSED:
        return REFUSED
    if event.kind is EventKind.JOIN_FAILED:
        return FAILED
    if event.session is not None and event.session.ended_ms:
        return OVER
    return LIVE if lives else LOST
