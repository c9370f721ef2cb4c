"""Nodes and how busy they are: from each node to everybody."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    Count,
    DurationS,
    Few,
    Share,
    Text,
    Word,
)
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages.drains import DrainProgress
from rillcast.contracts.words import NodeKind


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who a node is. Nothing of it changes while the process lives."""

    node: NodeId
    kind: NodeKind
    version: Word
    region: Word = ""
    zone: Word = ""
    admin_address: Word
    """Where /livez, /readyz, /metrics and /lifeline are, as ``ip:port``."""
    media_addresses: tuple[Word, ...] = ()
    """The addresses that stand in ICE candidates."""
    relay_address: Word = ""
    """The IP address under which other nodes reach the relay sockets."""
    http_address: Word = ""
    """Where clients connect, as ``ip:port``; for signaling only."""
    incarnation: Word
    """Random for each start of the process, so that a restart under the same id can be told."""
    identity: Word = ""
    """The public key of this process (Ed25519, 32 bytes in base64), by which its signatures are checked."""


class NodeLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a node is. Fractions are shares of the node's own limits: 1.0 is full."""

    cpu: Share = 0.0
    packets: Share = 0.0
    """Packets per second that are sent, as a share of `max_pps`."""
    egress: Share = 0.0
    """The bit rate that is sent, as a share of `max_egress_bps`."""
    loop_lag: Share = 0.0
    """The lasting delay of a media thread's timers, as a share of `max_loop_lag_ms`."""
    sessions: Count = 0
    """How many there are."""
    streams: Count = 0
    """How many there are."""
    encoders: Count = 0
    """How many are running."""

    def highest(self) -> float:
        """The largest of the shares: this one decides about placement."""
        return max(self.cpu, self.packets, self.egress, self.loop_lag)


class CarriedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that is present at a node, with the number of its viewers there: at an edge, of those that have
    connected."""

    app: AppName
    stream: StreamId
    viewers: Count = 0


class TreePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an edge stands among those that feed each other: of all tracks that come in there together. For people who
    look at the cluster; nobody acts upon it."""

    parents: Few = ()
    """From whom the tracks come, those of the most tracks first: the origin, transcoders, other edges."""
    level: Count = 0
    """How many relays it is from the owner of a track at most."""
    children: Count = 0
    """How many other edges it feeds."""
    standbys: Few = ()
    """Whom it would ask first if a parent fell silent."""


MOST_LINKS = 64
"""Parents that a heartbeat names."""
MOST_TROUBLES = 64
"""Troubles of streams that a heartbeat names."""


class RelayLink(msgspec.Struct, frozen=True, kw_only=True):
    """What one parent feeds to a node, of all streams together."""

    parent: NodeId
    tracks: Count
    """How many relays there are, one for each rendition of a track."""
    streams: Count
    """Of how many streams."""


class StreamTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """What a node notices of a stream, or of those who watch it there."""

    app: AppName
    stream: StreamId
    trouble: Trouble
    viewers: Count = 0
    """How many suffer from it at this node; 0 where the trouble is the stream's own."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """By whom a media node is fed, and who suffers there. For people who look at the cluster; nobody acts upon it."""

    links: tuple[RelayLink, ...] = ()
    """At most `MOST_LINKS`, those of the most relays first."""
    troubles: tuple[StreamTrouble, ...] = ()
    """At most `MOST_TROUBLES`: those of streams, then those of the most viewers."""
    suffering: Count = 0
    """How many viewers suffer at this node, whether their streams are named or not."""


class MachineMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of the machine that a node runs on."""

    used_mb: Count
    """In millions of bytes: what is not available to further processes."""
    total_mb: Count
    """In millions of bytes."""


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat of a node, sent once a second."""

    info: NodeInfo
    load: NodeLoad
    ready: bool
    draining: bool = False
    not_ready_reason: Text = ""
    carried: tuple[CarriedStream, ...] = ()
    """At most 500, most viewers first."""
    store_lost: bool = False
    """Whether the store takes no writes of this node. So records of this node are not rewritten in time, or expire,
    although what they describe goes on."""
    drain: DrainProgress | None = None
    """How far it is with its drain; None while it takes new work."""
    tree: TreePlace | None = None
    """Of an edge that is fed. It is not signed."""
    condition: Condition | None = None
    """Of media nodes. It is not signed."""
    memory: MachineMemory | None = None
    """For people who look at the cluster; it is not signed. None from a node that does not say it."""
    beat: Count = 0
    """The number of this heartbeat, counted from the start of the process."""
    up_s: DurationS = 0.0
    """How long the process has run, by its monotonic clock."""
    signature: Word = ""
    """By the identity in `NodeInfo`, of what this says about the node and its load
    (`rillcast.runtime.discovery.beats.statement`)."""


class NodeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A node has left in order, so nobody needs to wait for its heartbeat."""

    node: NodeId
    kind: NodeKind
    incarnation: Word = ""
    """Of the process that left: another one under the same id may be there by now."""
    signature: Word = ""
    """Of all that, by the identity in `NodeInfo` (`rillcast.runtime.discovery.beats.farewell`)."""


class NodeConfirm(msgspec.Struct, frozen=True, kw_only=True):
    """Asks a node whether it is still the process that it was."""

    challenge: Word
    """Random, so that no earlier answer fits."""


class NodeConfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """A node says that it lives."""

    node: NodeId
    incarnation: Word
    signature: Word
    """Of all three (`rillcast.runtime.discovery.questions.confirmation`), by the identity in `NodeInfo`."""


class NodeDoubted(msgspec.Struct, frozen=True, kw_only=True):
    """A node answers nobody. Whoever hears its media plane says so with `NodeVouched`."""

    node: NodeId
    incarnation: Word
    signaling: NodeId
    """Who wants to know."""


class NodeSilent(msgspec.Struct, frozen=True, kw_only=True):
    """A node that fed another one, or was fed by it, hears nothing of its media plane any more."""

    node: NodeId
    by: NodeId


class NodeVouched(msgspec.Struct, frozen=True, kw_only=True):
    """What another node hears of the media plane of one that is doubted."""

    node: NodeId
    incarnation: Word
    """As in the question. It is not known here to which process of the node a relay belongs."""
    by: NodeId
    hears: bool = True
    """Whether it receives the node's media right now, or hears one of its relays. False: it did, and they are
    silent."""
