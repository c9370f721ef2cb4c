"""Commands to and events from the native media plane, as they cross the border (JSON both ways).

Python chooses every id. Commands are executed by the worker thread that has the object, in the order given. A command
that names an impossible value raises `ValueError` at once, and one that a worker is too far behind for raises
`PlaneBusy`. A command that fails later comes back as an `Error` event and leaves nothing behind. One for a session or
relay that the plane has ended by itself meanwhile does nothing: the end is told by an event of its own.

`native/crates/plane/schema.json` says the same of the other side; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.contracts.words import MediaKind

# ------------------------------------------------------------------ configuration


class PlaneConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """How a node's media plane is set up."""

    workers: int = 1
    media_bind: tuple[str, ...] = ("0.0.0.0", "::")
    """At most one IPv4 and one IPv6 address."""
    media_port: int = 0
    """First worker's port, the next worker has the next one; 0 = any free port each."""
    relay_bind: str = "0.0.0.0"
    relay_port: int = 0
    pin: bool = False
    """Pin worker i to CPU i+1 (modulo their number)."""
    gso: bool = True
    handshake_timeout_ms: int = 10_000
    consent_timeout_ms: int = 30_000
    """RFC 7675: no authenticated STUN check or SRTP/SRTCP packet for this long closes the session."""
    max_half_open: int = 4_000
    """Sessions per worker whose handshake isn't finished; more are refused."""


# ------------------------------------------------------------------ commands


class IceParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The ICE user fragments and passwords of both sides (RFC 8445 §5.3). Ours is always the ICE-lite side."""

    local_ufrag: str
    local_pwd: str
    remote_ufrag: str
    remote_pwd: str


class DtlsRole(StrEnum):
    """Who begins the DTLS handshake (RFC 5763 §5): the client, which is ``a=setup:active``."""

    SERVER = "server"
    CLIENT = "client"


class DtlsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Our role in the DTLS handshake, and the fingerprint that the peer's certificate must have (RFC 8122)."""

    role: DtlsRole
    """The role that we take in the handshake."""
    fingerprint_hash: str
    """The hash function of the fingerprint: ``sha-256`` or another one of RFC 8122."""
    fingerprint: str
    """The fingerprint of the peer's certificate, as ``AA:BB:…``."""


class HeaderExtensions(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of RTP header extensions that were negotiated; 0 = it was not."""

    mid: int = 0
    rid: int = 0
    repaired_rid: int = 0
    abs_send_time: int = 0
    audio_level: int = 0
    video_orientation: int = 0
    dependency_descriptor: int = 0


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """One encoding that a publisher sends on an m-line, and the source that it becomes; with its RID if it is
    simulcast."""

    source: int
    rid: str = ""


class RecvTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of a publisher: what arrives, and the sources that it becomes."""

    mid: str
    kind: MediaKind
    codec: str
    """``H264``, ``H265``, ``VP8``, ``VP9``, ``AV1``, ``opus`` or another RTP encoding name."""
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    encodings: tuple[Encoding, ...]
    ssrcs: tuple[int, ...] = ()
    """The SSRCs that stand in ``a=ssrc``, if there are any. The first is the primary one."""
    rtx_ssrcs: tuple[int, ...] = ()
    nack: bool = True
    pli: bool = True
    remb: bool = True


class SendTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of a viewer: how its packets are labelled, and the source that they come from at first."""

    track: int
    """The number of the track, unique in its session."""
    kind: MediaKind
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    ssrc: int
    rtx_ssrc: int = 0
    cname: str
    source: int | None = None


class AddSession(msgspec.Struct, frozen=True, kw_only=True, tag="add_session"):
    """A negotiated publisher (recv) or viewer (send) session. Its worker's media port is in the SDP."""

    session: int
    worker: int
    ice: IceParameters
    dtls: DtlsParameters
    extensions: HeaderExtensions = HeaderExtensions()
    recv: tuple[RecvTrack, ...] = ()
    send: tuple[SendTrack, ...] = ()
    keyframe_interval_ms: int = 0
    """Publisher: ask for a keyframe this often while somebody consumes the source; 0 = only on demand."""
    max_bitrate_bps: int = 10_000_000
    """Publisher: upper bound of REMB."""
    keep_dtls: bool = False
    """Viewer: keep the DTLS association for as long as the session lives, for data channels. Otherwise it is given up
    10 s after the handshake, which saves two thirds of the viewer's memory. A publisher's is always kept. Until the
    plane has an SCTP, records of application data are dropped and counted as ``dtls_data_dropped`` in
    `WorkerStats.counters`."""


class RestartIce(msgspec.Struct, frozen=True, kw_only=True, tag="restart_ice"):
    """New ICE credentials for a living session (RFC 8445 §9). DTLS and SRTP go on as they are."""

    session: int
    ice: IceParameters


class RemoveSession(msgspec.Struct, frozen=True, kw_only=True, tag="remove_session"):
    """End a session: the peer gets an RTCP BYE and a close_notify. Its sources end as well, unless `keep_sources`: then
    they stay, silent, until RemoveSource, or until the encodings of a new session on the same worker name them (the
    publisher is back)."""

    session: int
    keep_sources: bool = False


ALL_LAYERS = 2
"""The limit on temporal layers that lets all of them through."""


class SwitchSource(msgspec.Struct, frozen=True, kw_only=True, tag="switch_source"):
    """Point a viewer's track at another source of the same codec, at that source's newest cached or next keyframe;
    the old source goes on until then. Sequence numbers and timestamps continue, and all temporal layers are sent.
    None = pause."""

    session: int
    track: int
    source: int | None
    hold: bool = False
    """The link is full: nothing of the old source is sent until then."""


class LimitLayers(msgspec.Struct, frozen=True, kw_only=True, tag="limit_layers"):
    """How many temporal layers of its present source a viewer's track is sent. Down from the next frame on; up where
    the codec allows it, a layer at a time."""

    session: int
    track: int
    temporal: int
    """The highest: 0 = the base only, 1, or `ALL_LAYERS`."""


class AddPushSource(msgspec.Struct, frozen=True, kw_only=True, tag="add_push_source"):
    """A source fed by Python with `push_rtp` (transcoder, ingest)."""

    source: int
    worker: int
    kind: MediaKind
    codec: str
    clock_rate: int


class AddRelaySource(msgspec.Struct, frozen=True, kw_only=True, tag="add_relay_source"):
    """Child side of a relay: a source fed by a parent. If the source exists, its feed is replaced (another parent), and
    its viewers stay."""

    source: int
    worker: int
    kind: MediaKind
    codec: str
    clock_rate: int
    parent: str
    """The relay socket of the parent, as ``ip:port``."""
    ssrc: int
    srtp_key: str
    """Key (16 bytes) and salt (12 bytes) in base64, from the parent to the child."""
    srtcp_key: str
    """Key and salt in the same form, from the child to the parent."""


class RemoveSource(msgspec.Struct, frozen=True, kw_only=True, tag="remove_source"):
    """End a source and its relays. Viewers' tracks that had it send nothing until `SwitchSource` names another one."""

    source: int


class AddRelay(msgspec.Struct, frozen=True, kw_only=True, tag="add_relay"):
    """Parent side of a relay: sends `source` to one child, once the child's first authenticated keep-alive arrives."""

    relay: int
    source: int
    ssrc: int
    payload_type: int
    srtp_key: str
    srtcp_key: str


class RemoveRelay(msgspec.Struct, frozen=True, kw_only=True, tag="remove_relay"):
    """Parent side: stop sending a source to a child."""

    relay: int


class RequestKeyframe(msgspec.Struct, frozen=True, kw_only=True, tag="request_keyframe"):
    """Ask upstream for a keyframe; merged and throttled (one per 500 ms and source)."""

    source: int


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag="probe"):
    """Send a viewer `bitrate_bps` more than its media for `duration_ms`, as RTX copies of recent packets of one track,
    so that its estimate shows whether more would fit. Needs RTX. A new probe of the session replaces one under way."""

    session: int
    track: int
    bitrate_bps: int
    """How much is sent on top of the media; at most 20 Mbit/s."""
    duration_ms: int
    """How long the probe lasts; at most 5 000."""


class Tap(msgspec.Struct, frozen=True, kw_only=True, tag="tap"):
    """Deliver the source's packets to Python (`Plane.packets`). Bounded: 4 000 waiting packets, then the oldest are
    dropped and counted."""

    source: int
    enabled: bool


class SetClock(msgspec.Struct, frozen=True, kw_only=True, tag="set_clock"):
    """Tell a push source its RTP clock: the same as a sender report (RFC 3550 §6.4.1)."""

    source: int
    ntp: int
    """A time of the wall clock as a 64-bit NTP timestamp (RFC 3550 §4)."""
    rtp_ts: int


Command = (
    AddSession
    | RestartIce
    | RemoveSession
    | SwitchSource
    | LimitLayers
    | AddPushSource
    | AddRelaySource
    | RemoveSource
    | AddRelay
    | RemoveRelay
    | RequestKeyframe
    | Probe
    | Tap
    | SetClock
)

# ------------------------------------------------------------------ events


class SessionConnected(msgspec.Struct, frozen=True, kw_only=True, tag="session_connected"):
    """ICE and DTLS are up."""

    session: int
    remote: str
    dtls: str
    """``DTLS 1.2`` or ``DTLS 1.3``"""
    srtp: str
    """``AEAD_AES_128_GCM`` …"""


class SessionMedia(msgspec.Struct, frozen=True, kw_only=True, tag="session_media"):
    """The session's first media packet was sent (viewer) or accepted (publisher)."""

    session: int


class CloseReason(StrEnum):
    """Why the plane ended a session. Each is a word of `rillcast.contracts.words.EndReason` as well."""

    HANDSHAKE_TIMEOUT = "handshake_timeout"
    """ICE and DTLS were not up in `PlaneConfig.handshake_timeout_ms`."""
    CONSENT_EXPIRED = "consent_expired"
    """Nothing authentic came for `PlaneConfig.consent_timeout_ms` (RFC 7675)."""
    DTLS_CLOSED = "dtls_closed"
    """The peer said goodbye."""
    DTLS_FAILED = "dtls_failed"
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """The peer's certificate is not the one that its SDP announced."""
    TOO_MANY_HALF_OPEN = "too_many_half_open"
    """`PlaneConfig.max_half_open` was reached: the session was never opened."""
    REMOVED = "removed"
    """By `RemoveSession`."""


class SessionClosed(msgspec.Struct, frozen=True, kw_only=True, tag="session_closed"):
    """The session is gone. Unless it was removed, a publisher's sources stay, silent, until RemoveSource, or until a
    new session on the same worker names them."""

    session: int
    reason: CloseReason


class SourceStarted(msgspec.Struct, frozen=True, kw_only=True, tag="source_started"):
    """The first packet of a source has come, or the first one after its feed was changed."""

    source: int


class SourceStats(msgspec.Struct, frozen=True, kw_only=True, tag="source_stats"):
    """Once a second per source."""

    source: int
    bitrate_bps: int
    packets: int
    """How many packets have come since the source began."""
    lost: int
    """How many packets never came, although they were asked for again."""
    recovered: int
    """How many packets came after they had been missed."""
    keyframes: int
    """How many keyframes have come since the source began."""
    frames_per_second: float
    width: int
    height: int
    layers_bps: tuple[int, ...] = ()
    """Bit rates with temporal layers up to 0, up to 1 and all; as many as there are layers, none for one."""
    silent_ms: int
    """The time since the last packet of the source."""
    consumers: int
    """The number of viewers' tracks, relays and taps that consume the source."""


class SessionStats(msgspec.Struct, frozen=True, kw_only=True, tag="session_stats"):
    """Once a second per connected session; also at once when a viewer's REMB falls by 5 %, and five times a second
    while it is probed."""

    session: int
    packets_sent: int
    """How many packets were sent since the session began."""
    bytes_sent: int
    packets_received: int
    """How many packets were received since the session began."""
    bytes_received: int
    estimate_bps: int
    """Viewer: last REMB received (0 = none). Publisher: our estimate as sent."""
    fraction_lost: float
    """Share of packets its receiver reports missed since the last figures."""
    rtt_ms: float
    """The round trip to the peer; 0 while it is not known."""
    lag_ms: float = 0.0
    """Age of the newest packet that a viewer had when it last reported; 0 when it didn't since the last figures."""
    jitter_ms: float
    nacks: int
    """The number of packets that the peer has asked for again since the session began."""
    repaired: int
    """The number of those that were sent again from the ring."""
    dropped: int
    """Packets not sent because the socket or the viewer's budget was full."""
    video_bps: int
    audio_bps: int


class SourceSwitched(msgspec.Struct, frozen=True, kw_only=True, tag="source_switched"):
    """A viewer's track has gone over to the source that `SwitchSource` named, beginning with a keyframe."""

    session: int
    track: int
    source: int


class RelayConnected(msgspec.Struct, frozen=True, kw_only=True, tag="relay_connected"):
    """Parent side: the child's first keep-alive came."""

    relay: int
    child: str


class RelayChildLost(msgspec.Struct, frozen=True, kw_only=True, tag="relay_child_lost"):
    """Parent side: no keep-alive for 10 s; the relay is removed."""

    relay: int


class RelayParentLost(msgspec.Struct, frozen=True, kw_only=True, tag="relay_parent_lost"):
    """Child side: nothing at all from the parent for 0.9 s (parents with nothing to send say so every 0.2 s). Comes
    once per silence."""

    source: int


class KeyframeWanted(msgspec.Struct, frozen=True, kw_only=True, tag="keyframe_wanted"):
    """A push source should make a keyframe (throttled)."""

    source: int


class ClockSeen(msgspec.Struct, frozen=True, kw_only=True, tag="clock_seen"):
    """A sender report of a tapped source has come."""

    source: int
    ntp: int
    rtp_ts: int


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True, tag="worker_stats"):
    """Once a second per worker."""

    worker: int
    busy: float
    """Share of the last second spent working, 0–1."""
    loop_lag_ms: float
    """Largest delay of a due timer in the last second."""
    packets_in: int
    """How many packets the worker has received since its start."""
    packets_out: int
    """How many packets the worker has sent since its start."""
    bytes_in: int
    """How many bytes of payload the worker has received since its start."""
    bytes_out: int
    """How many bytes of payload the worker has sent since its start."""
    sessions: int
    """How many sessions the worker has now."""
    half_open: int
    """How many of them have not finished their handshake."""
    counters: dict[str, int]
    """How often something was refused or dropped, by reason."""


class WorkerFailed(msgspec.Struct, frozen=True, kw_only=True, tag="worker_failed"):
    """A media thread has ended by a bug of ours; its panic message on standard error tells more. Its sessions are dead,
    so the node is to end. At most once per worker."""

    worker: int


class Error(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """A command could not be carried out."""

    command: str
    id: int
    message: str


Event = (
    SessionConnected
    | SessionMedia
    | SessionClosed
    | SourceStarted
    | SourceStats
    | SessionStats
    | SourceSwitched
    | RelayConnected
    | RelayChildLost
    | RelayParentLost
    | KeyframeWanted
    | ClockSeen
    | WorkerStats
    | WorkerFailed
    | Error
)
