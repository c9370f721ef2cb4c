"""What the journal of events holds: what happened to streams, sessions and nodes.

Nothing in it is secret: neither tokens nor what clients attach, and no id by which a session could be steered.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.contracts.fields import Count, UnixMs, Word
from rillcast.contracts.words import NodeKind, Role


class EventKind(StrEnum):
    """What happened. A word of a newer version reads as OTHER, so that versions can mix."""

    STREAM_STARTED = "stream.started"
    """Media of the stream flows."""
    STREAM_ENDED = "stream.ended"
    """Nobody publishes it any more."""
    JOIN_REFUSED = "join.refused"
    """A client was not let in, or no node took its session."""
    JOIN_FAILED = "join.failed"
    """A node opened the session, and the client never connected."""
    PUBLISHER_JOINED = "publisher.joined"
    """A publisher's session is connected."""
    PUBLISHER_MOVED = "publisher.moved"
    """A publisher's session goes on at another node."""
    PUBLISHER_LEFT = "publisher.left"
    """A publisher's session is over."""
    VIEWER_JOINED = "viewer.joined"
    """A viewer's session is connected."""
    VIEWER_MOVED = "viewer.moved"
    """A viewer's session goes on at another node."""
    VIEWER_LEFT = "viewer.left"
    """A viewer's session is over."""
    NODE_JOINED = "node.joined"
    """A node is heard of for the first time, or its process was started anew."""
    NODE_LEFT = "node.left"
    """A node has ended, or is taken for dead."""
    EVENTS_MISSED = "events.missed"
    """Told to listeners alone, and never kept: what came after the last event that they know is not all there any
    more."""
    NODE_DRAINING = "node.draining"
    """A node takes nothing new, and what it has moves to others."""
    NODE_DRAINED = "node.drained"
    """Nobody is left at a node that drained."""
    OTHER = "other"
    """Something that this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> EventKind:
        return cls.OTHER


class SessionMove(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One time when a session had to leave its node."""

    at_ms: UnixMs
    """When its node was taken for gone, or said that it drains."""
    left: Word
    """The node that it had to leave."""
    why: Word = ""
    """A word of `EndReason`, or ``node_gone``."""
    node: Word = ""
    """Where the session went on; empty: nowhere yet."""
    back_ms: UnixMs = 0
    """When ICE and DTLS were up there; 0 = they never were."""


class SessionFate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One join, as far as it has come."""

    id: Word
    """The same in all events of the join. It is made for the journal, and opens nothing."""
    role: Role
    mark: Word = ""
    """The `ids.session_mark` of the session at its present node; empty when no node had it."""
    who: Word = ""
    """The subscriber id that the client showed; empty when it showed none."""
    address: Word = ""
    """From where the client came; empty when that is not known."""
    instance: Word = ""
    """The signaling process that let it in, with its incarnation: ``signaling-1/…``."""
    asked_ms: UnixMs = 0
    """When the nodes were asked, by the wall clock of that process, as all times here."""
    opened_ms: UnixMs = 0
    """When a node had answered; 0 = none has."""
    connected_ms: UnixMs = 0
    """When ICE and DTLS were up; 0 = they never were."""
    media_ms: UnixMs = 0
    """When the first packet of media had come (publisher) or gone (viewer)."""
    ended_ms: UnixMs = 0
    """When it was over; 0 = it is not."""
    reason: Word = ""
    """Why it is over, or why it came to nothing: a word of `EndReason` or `ErrorCode`."""
    moves: Count = 0
    """How often it had to leave its node."""
    trail: tuple[SessionMove, ...] = ()
    """The last of these times, the oldest first: `MOST_MOVES` at most."""


class ClusterEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the journal."""

    kind: EventKind
    at_ms: UnixMs
    """By the wall clock of the process that noticed it."""
    app: Word = ""
    stream: Word = ""
    node: Word = ""
    """The node that has the session or the stream, or that the event is about."""
    node_kind: NodeKind | None = None
    zone: Word = ""
    """Where that node is."""
    session: SessionFate | None = None
    """Of events about joins, publishers and viewers."""
    why: Word = ""
    """Of a node that left or drains, in words."""


EVENTS_IN_ENTRY = 200
"""How many events one entry of the journal has at most."""
MOST_ENTRY_BYTES = 131_072
"""How large it may be."""
MOST_MOVES = 8
NODE_GONE = "node_gone"
"""Why a session left a node, or is over, whose node died."""
