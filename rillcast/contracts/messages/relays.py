"""Relays: from the child, which wants a track, to the parent, which has it."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    Few,
    PayloadType,
    RelayLevel,
    SocketAddress,
    Ssrc,
    Text,
    Word,
)
from rillcast.contracts.ids import AppName, ClaimId, NodeId, RelayId, StreamId, TrackId
from rillcast.contracts.records import TrackRecord


class RelayOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A child asks a parent for one rendition of a track."""

    app: AppName
    stream: StreamId
    track: TrackId
    claim: ClaimId
    """The claim that the child read in the record: of the stream, or of the job that makes the rendition. A parent that
    has another claim refuses."""
    child: NodeId
    relay: RelayId
    """Asking again with the same id replaces the relay."""
    child_address: SocketAddress
    """The child's relay socket, as ``ip:port``."""
    most_level: RelayLevel = 1
    """The highest level that the child may get (`rillcast.cluster.relay_tree`). A node with children keeps below
    them."""
    gives: bool = True
    """Whether the child would feed others itself."""
    unreachable: Few = ()
    """Nodes that the child can't get the track from, so that it isn't referred to them."""
    key: Word = ""
    """A public key that the child made for this request (X25519, 32 bytes in base64). The parent encrypts to it."""
    proof: Word = ""
    """The signature of the child over all of this, with the `NodeInfo.identity` under which it is known."""


class RelayGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Where the track comes from, and how. The keys belong to this relay and claim only."""

    parent_address: SocketAddress
    """The parent's relay socket, as ``ip:port``. The first keep-alive of the child to it starts the media."""
    ssrc: Ssrc
    payload_type: PayloadType
    srtp_key: Word = ""
    """Key (16 bytes) and salt (12 bytes) of AEAD_AES_128_GCM in base64, from the parent to the child."""
    srtcp_key: Word = ""
    """Key and salt in the same form, from the child to the parent."""
    claim: ClaimId
    """The claim that the request named."""
    track: TrackRecord
    level: RelayLevel = 1
    """How many relays the child is from the owner at most: one more than its parent."""
    standbys: Few = ()
    """Whom to ask at once when this parent falls silent, the best first."""
    sealed_keys: Text = ""
    """Both keys, encrypted to `RelayOpen.key` (HPKE, RFC 9180, in base64). On the bus, the two fields with the keys are
    empty; the child fills them in."""
    proof: Word = ""
    """The signature of the parent over all of this and over the request."""


class RelayReferral(msgspec.Struct, frozen=True, kw_only=True):
    """The child is to ask one of these, who have the track from the node that says so, the best first."""

    nodes: Few
    proof: Word = ""
    """The signature of the parent over all of this and over the request."""


class RelayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a parent says to `RelayOpen`: one of the two."""

    grant: RelayGrant | None = None
    referral: RelayReferral | None = None


class RelayLeaving(msgspec.Struct, frozen=True, kw_only=True):
    """The parent of a relay is about to end it. The child opens another one first, at a standby."""

    relay: RelayId
    parent: NodeId


class RelayClose(msgspec.Struct, frozen=True, kw_only=True):
    """The child no longer wants the relay."""

    relay: RelayId
    child: NodeId
