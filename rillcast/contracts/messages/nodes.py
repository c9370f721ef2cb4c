"""Nodes and how busy they are: from each node to everybody."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    Count,
    Share,
    Text,
    Word,
)
from rillcast.contracts.ids import AppName, NodeId, StreamId
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
    """A stream that is present at a node, with the number of its viewers there."""

    app: AppName
    stream: StreamId
    viewers: Count = 0


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


class NodeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A node has left in order, so nobody needs to wait for its heartbeat."""

    node: NodeId
    kind: NodeKind


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


class NodeVouched(msgspec.Struct, frozen=True, kw_only=True):
    """Another node receives media of a node that is doubted right now, or hears one of its relays."""

    node: NodeId
    incarnation: Word
    """As in the question. It is not known here to which process of the node a relay belongs."""
    by: NodeId
