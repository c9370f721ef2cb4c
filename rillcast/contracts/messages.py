"""Requests, answers and events on the bus. JSON by msgspec; unknown fields are ignored so that versions can mix.

Every answer is ``{"ok": …}`` or ``{"failure": …}``; the bus adapter does that wrapping and raises `RillcastError`
on the asking side. Trace context, deadline and idempotency key travel in NATS headers.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import AppName, NodeId, RelayId, SessionId, StreamId, TrackId
from rillcast.contracts.records import AbrSettings, TrackRecord
from rillcast.contracts.words import EndReason, LicenseState, MediaKind, NodeKind, SessionState


class Ack(msgspec.Struct, frozen=True):
    """Done."""


# ------------------------------------------------------------------ sessions


class PublishRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open a publisher session. ``session`` is chosen by signaling and is the idempotency key."""

    app: AppName
    stream: StreamId
    session: SessionId
    signaling: NodeId
    sdp_offer: str
    credential_digest: str
    has_credentials: bool
    """True when the digest comes from a token or subscriber; False when only from the client's address and agent."""
    name: str = ""
    meta_data: str = ""
    max_bitrate_bps: int = 10_000_000
    keyframe_interval_ms: int = 2_000
    start_timeout_ms: int = 10_000


class PlayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open a viewer session. Without ``sdp_offer`` the edge makes the offer and waits for `AnswerRequest`."""

    app: AppName
    stream: StreamId
    session: SessionId
    signaling: NodeId
    sdp_offer: str | None = None
    start_timeout_ms: int = 10_000
    abr: AbrSettings = AbrSettings()
    """The app's, for this session's whole life."""
    codecs_to_come: tuple[str, ...] = ()
    """A transcoder is about to make the video in these codecs, and no node serves it in them yet. The edge keeps a
    viewer who understands no other codec waiting, for `ladder_wish.RUNG_WAIT_S` at most. The deadline of this request
    must therefore be longer."""


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session exists; ``sdp`` is the answer, or for a play without offer the edge's offer."""

    session: SessionId
    node: NodeId
    sdp: str
    id_mapping: dict[str, str] = {}
    """mid → track id with the 7-character prefix, for Ant Media clients."""
    restored: bool = False
    """True when a publisher took its own living stream over."""


class AnswerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client's answer to the edge's offer."""

    session: SessionId
    sdp_answer: str


class CloseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """End a session. Closing an unknown session succeeds."""

    session: SessionId
    reason: EndReason
    keep_stream_s: float = 0.0
    """Publisher only: keep stream and viewers this long for its return (socket lost); 0 = the publisher said stop."""


class HandOverRequest(msgspec.Struct, frozen=True, kw_only=True):
    """From one origin to another: give up the stream of this publisher session, a publisher has come here for it. The
    record stays in the store for the asker to claim. An unknown session has been given up already."""

    session: SessionId
    rightful: bool
    """Whether the newcomer showed the same credentials. If not, the owner refuses with STREAM_ID_IN_USE unless its own
    publisher is gone."""


class RestartIceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """ICE restart: new remote credentials (RFC 8445 §2.4, RFC 9725 §4.3.2)."""

    session: SessionId
    remote_ufrag: str
    remote_pwd: str


class RestartIceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """New local credentials."""

    local_ufrag: str
    local_pwd: str
    candidates: tuple[str, ...]
    """``candidate:…`` lines."""


class MuteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Viewer only: stop or resume sending one kind (toggleVideo/toggleAudio)."""

    session: SessionId
    kind: MediaKind
    enabled: bool


class SelectRendition(msgspec.Struct, frozen=True, kw_only=True):
    """Viewer only: force a rendition by height; 0 = automatic."""

    session: SessionId
    height: int


class SessionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What a session's signaling instance must know."""

    session: SessionId
    node: NodeId
    state: SessionState | None = None
    reason: EndReason | None = None
    """With CLOSED: why."""
    stream_height: int | None = None
    """The rendition changed to this height."""
    target_bitrate_bps: int | None = None
    """With the two below: the periodic measurement of a viewer."""
    video_bitrate_bps: int = 0
    audio_bitrate_bps: int = 0


# ------------------------------------------------------------------ relays


class RelayOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A child asks a parent for one track."""

    app: AppName
    stream: StreamId
    track: TrackId
    epoch: int
    """The epoch the child read; a parent with another epoch refuses."""
    child: NodeId
    relay: RelayId
    """Chosen by the child; asking again with the same id replaces the relay."""
    child_address: str
    """``ip:port`` of the child's relay socket."""


class RelayGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how the track comes. Keys belong to this relay and epoch."""

    parent_address: str
    """``ip:port``; the child sends its first keep-alive there, media starts on it."""
    ssrc: int
    payload_type: int
    srtp_key: str
    """base64, 16 byte key + 12 byte salt, AEAD_AES_128_GCM, parent → child."""
    srtcp_key: str
    """base64, same shape, child → parent."""
    epoch: int
    track: TrackRecord


class RelayClose(msgspec.Struct, frozen=True, kw_only=True):
    """The child no longer wants the track."""

    relay: RelayId
    child: NodeId


# ------------------------------------------------------------------ stream events


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stream started, was restored or ended."""

    app: AppName
    stream: StreamId
    epoch: int
    owner: NodeId
    reason: EndReason | None = None
    """Of its end."""


# ------------------------------------------------------------------ nodes


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who a node is: fixed from start to exit."""

    node: NodeId
    kind: NodeKind
    version: str
    region: str = ""
    zone: str = ""
    admin_address: str
    """``ip:port`` of /livez, /readyz, /metrics."""
    media_addresses: tuple[str, ...] = ()
    """Addresses put into ICE candidates."""
    relay_address: str = ""
    """IP under which other nodes reach the relay sockets."""
    http_address: str = ""
    """signaling only: ``ip:port``."""
    incarnation: str
    """Random per process start."""


class NodeLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a node is; every figure is a share of its own limit, 1.0 = full."""

    cpu: float = 0.0
    packets: float = 0.0
    egress: float = 0.0
    loop_lag: float = 0.0
    sessions: int = 0
    streams: int = 0
    encoders: int = 0

    def highest(self) -> float:
        """The share that decides placement."""
        return max(self.cpu, self.packets, self.egress, self.loop_lag)


class CarriedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream present at a node, with its sessions there."""

    app: AppName
    stream: StreamId
    viewers: int = 0


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat of a node."""

    info: NodeInfo
    load: NodeLoad
    ready: bool
    draining: bool = False
    not_ready_reason: str = ""
    carried: tuple[CarriedStream, ...] = ()
    """At most 500, most viewers first."""


class NodeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A node went away in order."""

    node: NodeId
    kind: NodeKind


# ------------------------------------------------------------------ license


class SeatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A node asks for, or renews, its seat."""

    node: NodeId
    kind: NodeKind
    incarnation: str


class SeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The seat is held for ``ttl_s``; renew every third of it."""

    ttl_s: float
    licensee: str
    warning: str = ""
    grace_s: float = 1_209_600.0
    """How long the node may go on while no license service answers."""


class SeatRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The node goes away in order."""

    node: NodeId
    incarnation: str


class LicenseStatusRequest(msgspec.Struct, frozen=True):
    """Ask for the state of the cluster license."""


class LicenseCheck(msgspec.Struct, frozen=True):
    """Say what a document would grant, without putting it in force. If it's refused the answer's state is
    ``invalid``."""

    document: str


class LicenseInstall(msgspec.Struct, frozen=True):
    """Put a new license in force for the whole cluster. Refused with BAD_REQUEST naming the reason."""

    document: str


class LicenseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster license and how much of it is used."""

    license_id: str
    licensee: str
    community: bool
    state: LicenseState
    reason: str = ""
    not_after_s: int | None = None
    """Unix seconds; None = never."""
    limit_total: int
    limits_by_kind: dict[str, int] = {}
    used_by_kind: dict[str, int] = {}
    not_before_s: int = 0
    """Unix seconds; 0 = since ever."""
    grace_s: int = 0
    """After `not_after_s`; then no new publish or play. Also how long nodes go on while no license service answers."""
    features: tuple[str, ...] = ()
    node_hours: float = 0.0
    """Used under this license so far."""
    answered_by: str = ""
    """Node id of the license service."""

    @property
    def suspends_at_s(self) -> int | None:
        """When new publishes and plays stop; None = never."""
        return None if self.not_after_s is None else self.not_after_s + self.grace_s


class LicenseUsageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the usage report of some days (UTC, ``2026-09-14``, both included); empty = from the first, to today."""

    first_day: str = ""
    last_day: str = ""


class UsageDay(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes used on one day under one license."""

    day: str
    """UTC, ``2026-09-14``."""
    license_id: str
    node_hours: dict[str, float]
    """By kind of node."""
    peak: dict[str, int]
    """The most seats taken at once on that day, by kind of node."""


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Node-hours of a cluster, as the license service signs them."""

    first_day: str
    last_day: str
    issued_at_s: int
    licensee: str
    """Of the license in force when the report was made."""
    node_hours: dict[str, float]
    """Sum of all days, by kind of node."""
    unmetered_hours: float = 0.0
    """Time in these days in which no license service ran, so that nothing was counted."""
    days: tuple[UsageDay, ...] = ()


class LicenseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the same signed (see `rillcast.licensing.usage_report`)."""

    report: UsageReport
    signed: str
    key_id: str
    """RFC 7638 thumbprint of the cluster's signing key."""
