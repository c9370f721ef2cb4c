"""Requests, answers and events on the bus, as JSON. Unknown fields are ignored, so that releases can mix. A change that
others would not understand needs another `version.PROTOCOL_VERSION`.

Every answer is ``{"ok": …}`` or ``{"failure": …}``; the adapter of the bus does that wrapping, and raises
`RillcastError` at the asking side. The trace context, the deadline and the id of the request travel in NATS headers.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    BitsPerSecond,
    Codec,
    Count,
    Document,
    DurationMs,
    DurationS,
    Hours,
    Lines,
    Mid,
    PayloadType,
    Sdp,
    Share,
    SocketAddress,
    Ssrc,
    Text,
    UnixS,
    Word,
)
from rillcast.contracts.ids import AppName, NodeId, RelayId, SessionId, StreamId, TrackId
from rillcast.contracts.records import AbrSettings, TrackRecord
from rillcast.contracts.words import EndReason, LicenseState, MediaKind, NodeKind, Role, SessionState


class Ack(msgspec.Struct, frozen=True):
    """The request has been carried out, and there is nothing more to say."""


# ------------------------------------------------------------------ sessions


class PublishRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open the session of a publisher. Asking again with the same ``session`` opens nothing twice."""

    app: AppName
    stream: StreamId
    session: SessionId
    signaling: NodeId
    """The signaling instance that is to hear `SessionChanged`."""
    sdp_offer: Sdp
    credential_digest: Word
    """SHA-256 over the credentials or the identity of the client; who comes back with the same one owns the stream."""
    has_credentials: bool
    """True when the digest comes from a token or a subscriber; False when it comes from the client's address and agent
    only."""
    name: Text = ""
    """What the publisher calls the stream; for display only."""
    meta_data: Text = ""
    """What the publisher attaches to the stream. It is passed on as it is."""
    max_bitrate_bps: BitsPerSecond = 10_000_000
    """The publisher is told by REMB not to send more."""
    keyframe_interval_ms: DurationMs = 2_000
    """How often a keyframe is asked for while somebody watches; 0 = only when one is needed."""
    start_timeout_ms: DurationMs = 10_000
    """How long the publisher has for its first media, and for its return after a loss."""


class PlaySubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that a viewer is to get, or a part of it."""

    app: AppName
    stream: StreamId
    mids: tuple[Mid, ...] = ()
    """The `TrackRecord.mid` of the tracks that are wanted; empty = all that the stream has."""
    codecs_to_come: tuple[Codec, ...] = ()
    """A transcoder is about to make the video in these codecs, and no node serves it in them yet. The edge keeps a
    viewer who understands no other codec waiting, for `ladder_wish.RUNG_WAIT_S` at most. The deadline of the request
    must therefore be longer."""
    ladder_codecs: tuple[Codec, ...] = ()
    """A transcoder makes the video in these codecs, in whatever codec the publisher sends it. If the publisher comes
    back in another one, a viewer of these is kept waiting likewise. Empty = unknown, or no ladder is asked for."""


class PlayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open the session of a viewer. Without ``sdp_offer`` the edge makes the offer and waits for `AnswerRequest`."""

    subscriptions: tuple[PlaySubscription, ...]
    """In the order in which their m-lines are offered. All are joined or none is. Each stream id stands here once. An
    edge refuses none (a session for data alone) and too many with BAD_REQUEST."""
    session: SessionId
    signaling: NodeId
    """The signaling instance that is to hear `SessionChanged`."""
    sdp_offer: Sdp | None = None
    start_timeout_ms: DurationMs = 10_000
    """How long the viewer has to answer and to connect."""
    abr: AbrSettings = AbrSettings()
    """The settings of the app. They hold as long as this session lives."""


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session exists. ``sdp`` is the answer, or the edge's offer to a play request without one."""

    session: SessionId
    node: NodeId
    sdp: Sdp
    id_mapping: dict[Word, Text] = {}
    """The track id for each mid, with the prefix of seven characters that Ant Media's clients expect."""
    restored: bool = False
    """True when a publisher has taken over its own living stream."""


class AnswerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client has answered the offer that the edge made."""

    session: SessionId
    sdp_answer: Sdp


class CloseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """End a session. Closing an unknown session succeeds, and the answer says that there was none."""

    session: SessionId
    reason: EndReason
    keep_stream_s: DurationS = 0.0
    """For publishers: how long the stream and its viewers wait for its return (its socket is lost); 0 when the
    publisher said stop."""


class CloseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session is not there, or not for long any more."""

    found: bool = False
    """Whether this request ended it, or shortened the time for which it is kept. False: the node knew no such session,
    because it had ended before."""


class HandOverRequest(msgspec.Struct, frozen=True, kw_only=True):
    """From one origin to another: give up the stream of this session, because a publisher has come here for it. The
    record stays in the store for the asker to claim. A session that is not known has been given up already."""

    session: SessionId
    rightful: bool
    """Whether the newcomer showed the same credentials. If not, the owner refuses with STREAM_ID_IN_USE unless its own
    publisher is gone."""


class AdmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """May this client publish or play? Asked by a node that clients reach without signaling."""

    role: Role
    app: AppName
    stream: Text
    """As the client gave it: the answer says whether it is a stream id at all."""
    token: Text = ""
    subscriber_id: Text = ""
    subscriber_code: Text = ""
    client_address: Word = ""
    user_agent: Text = ""


class AdmitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The client may. What the node needs to know of it and of the app; the fields are those of `PublishRequest`."""

    credential_digest: Word
    has_credentials: bool
    max_bitrate_bps: BitsPerSecond
    keyframe_interval_ms: DurationMs
    start_timeout_ms: DurationMs


class RestartIceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client restarts ICE with new credentials (RFC 8445 §2.4, RFC 9725 §4.3.2)."""

    session: SessionId
    remote_ufrag: Word
    remote_pwd: Word


class RestartIceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials and candidates of our side after an ICE restart."""

    local_ufrag: Word
    local_pwd: Word
    candidates: tuple[Word, ...]
    """Lines of SDP that begin with ``candidate:``."""


class MuteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Stop or resume what a viewer gets of one kind (toggleVideo, toggleAudio)."""

    session: SessionId
    kind: MediaKind
    enabled: bool
    subscription: Count | None = None
    """The place in `PlayRequest.subscriptions` that this is about; None = all. One that has ended is left alone."""


class SelectRendition(msgspec.Struct, frozen=True, kw_only=True):
    """Force the rendition that a viewer gets, by its height in lines; 0 = the edge chooses."""

    session: SessionId
    height: Lines
    subscription: Count | None = None
    """As in `MuteRequest`."""


class SessionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What the signaling instance of a session must know: a new state, another rendition, a measurement, or that one
    stream of several is over."""

    session: SessionId
    node: NodeId
    state: SessionState | None = None
    """Of the whole session."""
    subscription: Count | None = None
    """The place in `PlayRequest.subscriptions` that the height, or an end without a state, is about. None when nothing
    of this event is about a single one."""
    reason: EndReason | None = None
    """Why the session ended, with the state CLOSED. With a subscription and no state: why this subscription ended,
    while the session goes on with the others."""
    stream_height: Lines | None = None
    """The viewer now gets a rendition of this height in lines, of the stream that `subscription` names."""
    target_bitrate_bps: BitsPerSecond | None = None
    """What the viewer's link seems to carry. It comes every 5 s, together with the two bit rates."""
    video_bitrate_bps: BitsPerSecond = 0
    """The bit rate of the video that is sent to the viewer."""
    audio_bitrate_bps: BitsPerSecond = 0
    """The bit rate of the audio that is sent to the viewer."""


# ------------------------------------------------------------------ relays


class RelayOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A child asks a parent for one rendition of a track."""

    app: AppName
    stream: StreamId
    track: TrackId
    epoch: Count
    """The epoch that the child read in the record. A parent with another epoch refuses."""
    child: NodeId
    relay: RelayId
    """Asking again with the same id replaces the relay."""
    child_address: SocketAddress
    """The child's relay socket, as ``ip:port``."""


class RelayGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Where the track comes from, and how. The keys belong to this relay and epoch only."""

    parent_address: SocketAddress
    """The parent's relay socket, as ``ip:port``. The first keep-alive of the child to it starts the media."""
    ssrc: Ssrc
    payload_type: PayloadType
    srtp_key: Word
    """Key (16 bytes) and salt (12 bytes) of AEAD_AES_128_GCM in base64, from the parent to the child."""
    srtcp_key: Word
    """Key and salt in the same form, from the child to the parent."""
    epoch: Count
    track: TrackRecord


class RelayClose(msgspec.Struct, frozen=True, kw_only=True):
    """The child no longer wants the relay."""

    relay: RelayId
    child: NodeId


# ------------------------------------------------------------------ stream events


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stream started, was restored or ended."""

    app: AppName
    stream: StreamId
    epoch: Count
    owner: NodeId
    reason: EndReason | None = None
    """Why the stream ended; only with that event."""


# ------------------------------------------------------------------ nodes


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who a node is. Nothing of it changes while the process lives."""

    node: NodeId
    kind: NodeKind
    version: Word
    region: Word = ""
    zone: Word = ""
    admin_address: Word
    """Where /livez, /readyz and /metrics are, as ``ip:port``."""
    media_addresses: tuple[Word, ...] = ()
    """The addresses that stand in ICE candidates."""
    relay_address: Word = ""
    """The IP address under which other nodes reach the relay sockets."""
    http_address: Word = ""
    """Where clients connect, as ``ip:port``; for signaling only."""
    incarnation: Word
    """Random for each start of the process, so that a restart under the same id can be told."""


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


class NodeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A node has left in order, so nobody needs to wait for its heartbeat."""

    node: NodeId
    kind: NodeKind


# ------------------------------------------------------------------ license


class SeatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A node asks for, or renews, its seat."""

    node: NodeId
    kind: NodeKind
    incarnation: Word


class SeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The node has its seat for ``ttl_s`` seconds, and is to renew it after each third of them."""

    ttl_s: DurationS
    licensee: Text
    warning: Text = ""
    grace_s: DurationS = 1_209_600.0
    """How long the node may go on while no license service answers."""


class SeatRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The node goes away in order, so its seat is free at once."""

    node: NodeId
    incarnation: Word


class LicenseStatusRequest(msgspec.Struct, frozen=True):
    """Ask for the license of the cluster and how much of it is used."""


class LicenseCheck(msgspec.Struct, frozen=True):
    """Ask what a document would grant, without putting it in force. If it is refused, the state in the answer is
    ``invalid``."""

    document: Document


class LicenseInstall(msgspec.Struct, frozen=True):
    """Put a new license in force for the whole cluster. A bad one is refused with BAD_REQUEST and the reason."""

    document: Document


class LicenseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster license and how much of it is used."""

    license_id: Text
    licensee: Text
    community: bool
    state: LicenseState
    reason: Text = ""
    not_after_s: UnixS | None = None
    """The end of the license in Unix seconds; None = never."""
    limit_total: Count
    limits_by_kind: dict[Word, Count] = {}
    used_by_kind: dict[Word, Count] = {}
    not_before_s: UnixS = 0
    """The beginning of the license in Unix seconds; 0 = it has always held."""
    grace_s: Count = 0
    """How long after `not_after_s` the license is honoured. It is also how long nodes go on while no license service
    answers."""
    features: tuple[Text, ...] = ()
    node_hours: Hours = 0.0
    """How much has been used under this license so far."""
    answered_by: Word = ""
    """The node id of the license service that answered."""

    @property
    def suspends_at_s(self) -> int | None:
        """When new publishes and plays stop, in Unix seconds; None = never."""
        return None if self.not_after_s is None else self.not_after_s + self.grace_s


class LicenseUsageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the usage report of some days. Days are in UTC, as ``2026-09-14``, and both are included."""

    first_day: Word = ""
    """Empty: the first day that is known."""
    last_day: Word = ""
    """Empty: the present day."""


class UsageDay(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes used on one day under one license."""

    day: Word
    """UTC, ``2026-09-14``."""
    license_id: Text
    node_hours: dict[Word, Hours]
    """The hours of all nodes, by kind of node."""
    peak: dict[Word, Count]
    """The most seats taken at once on that day, by kind of node."""


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Node-hours of a cluster, as the license service signs them."""

    first_day: Word
    last_day: Word
    issued_at_s: UnixS
    licensee: Text
    """Of the license in force when the report was made."""
    node_hours: dict[Word, Hours]
    """Sum of all days, by kind of node."""
    unmetered_hours: Hours = 0.0
    """Time in these days in which no license service ran, so that nothing was counted."""
    days: tuple[UsageDay, ...] = ()


class LicenseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the same signed (see `rillcast.licensing.usage_report`)."""

    report: UsageReport
    signed: Document
    key_id: Word
    """The thumbprint (RFC 7638) of the key with which the cluster signs its reports."""
