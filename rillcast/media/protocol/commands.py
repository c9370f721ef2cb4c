"""What Python tells the plane to do."""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import MediaKind
from rillcast.media.protocol.association import SrtpState
from rillcast.media.protocol.ids import PlaneRelay, PlaneSession, SourceId
from rillcast.media.protocol.negotiated import DtlsParameters, HeaderExtensions, IceParameters, RecvTrack, SendTrack


class AddSession(msgspec.Struct, frozen=True, kw_only=True, tag="add_session"):
    """A negotiated publisher (recv) or viewer (send) session. Its worker's media port is in the SDP."""

    session: PlaneSession
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
    measure_path: bool = False
    """Viewer: measure how much the path takes as soon as the peer has answered there, and say so with `PathMeasured`.
    It takes five checks of 1 200 bytes, and five more if that is much."""
    srtp: SrtpState | None = None
    """The association of a session that another plane exported: there is no DTLS handshake, and media of the peer is
    taken from its first packet on. Nothing of SRTP and SRTCP is sent before `ContinueSession`. Each SSRC of `send` has
    to be among `SrtpState.sent`, and no other one."""


class RestartIce(msgspec.Struct, frozen=True, kw_only=True, tag="restart_ice"):
    """New ICE credentials for a living session (RFC 8445 §9). DTLS and SRTP go on as they are."""

    session: PlaneSession
    ice: IceParameters


class ExportSession(msgspec.Struct, frozen=True, kw_only=True, tag="export_session"):
    """Say with exactly one `SessionExported` how another plane can go on with a session's association.

    With `stop` nothing is sent under its keys ever again, whatever happens: no media, no repairs, no reports, no
    goodbye. Checks are still answered, and what still comes from the peer is still taken. The session stays until it
    is removed, or until it ends by itself, of which the peer hears nothing."""

    session: PlaneSession
    stop: bool


class ContinueSession(msgspec.Struct, frozen=True, kw_only=True, tag="continue_session"):
    """The plane before has stopped: go on with an association that came with `AddSession.srtp`. Its counters replace
    those given then. As soon as the peer has a path, the session is connected (`SessionConnected`), and media goes on
    with the next sequence numbers, beginning with the newest keyframe as at a switch.

    It is an error, and nothing is done, if the keys or the SSRCs are others than those given then, if a counter has
    gone back, or if the session goes on already."""

    session: PlaneSession
    srtp: SrtpState


class RestartDtls(msgspec.Struct, frozen=True, kw_only=True, tag="restart_dtls"):
    """Give the keys of a session's association up, and shake hands anew on the path that it has or will have: the way
    back if `ContinueSession` can't come. The session is half-open again until `SessionConnected` tells the next one."""

    session: PlaneSession
    dtls: DtlsParameters
    send: tuple[SendTrack, ...] = ()
    """The tracks of a viewer as they are from now on, mostly with other SSRCs. A publisher's stay."""


class RemoveSession(msgspec.Struct, frozen=True, kw_only=True, tag="remove_session"):
    """End a session: the peer gets an RTCP BYE and a close_notify, unless this is to be `silent`. Its sources end as
    well, unless `keep_sources`: then they stay, silent, until RemoveSource, or until the encodings of a new session on
    the same worker name them (the publisher is back)."""

    session: PlaneSession
    keep_sources: bool = False
    silent: bool = False


ALL_LAYERS = 2
"""The limit on temporal layers that lets all of them through."""


class SwitchSource(msgspec.Struct, frozen=True, kw_only=True, tag="switch_source"):
    """Point a viewer's track at another source of the same codec, at that source's newest cached or next keyframe;
    the old source goes on until then. Sequence numbers and timestamps continue, and all temporal layers are sent.
    None = pause."""

    session: PlaneSession
    track: int
    source: SourceId | None
    hold: bool = False
    """The link is full: nothing of the old source is sent until then."""


class LimitLayers(msgspec.Struct, frozen=True, kw_only=True, tag="limit_layers"):
    """How many temporal layers of its present source a viewer's track is sent. Down from the next frame on; up where
    the codec allows it, a layer at a time."""

    session: PlaneSession
    track: int
    temporal: int
    """The highest: 0 = the base only, 1, or `ALL_LAYERS`."""


class AddPushSource(msgspec.Struct, frozen=True, kw_only=True, tag="add_push_source"):
    """A source fed by Python with `push_rtp` (transcoder, ingest)."""

    source: SourceId
    worker: int
    kind: MediaKind
    codec: str
    clock_rate: int


class AddRelaySource(msgspec.Struct, frozen=True, kw_only=True, tag="add_relay_source"):
    """Child side of a relay: a source fed by a parent. If the source exists, its feed is replaced (another parent), and
    its viewers stay."""

    source: SourceId
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


class AdoptedFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A source of `AdoptFeeds`."""

    source: SourceId
    """Viewers and relays have it. It goes on with another feed."""
    from_source: SourceId = msgspec.field(name="from")
    """The source that has this feed until then, and ends."""


class AdoptFeeds(msgspec.Struct, frozen=True, kw_only=True, tag="adopt_feeds"):
    """Let sources go on with the feeds of others, all on one worker: a publisher that was taken in beside the living
    one has its stream now. A video goes on with the newest keyframe of its new feed, or asks for one; sequence numbers
    and timestamps continue."""

    feeds: tuple[AdoptedFeed, ...]


class RemoveSource(msgspec.Struct, frozen=True, kw_only=True, tag="remove_source"):
    """End a source and its relays. Viewers' tracks that had it send nothing until `SwitchSource` names another one."""

    source: SourceId


class AddRelay(msgspec.Struct, frozen=True, kw_only=True, tag="add_relay"):
    """Parent side of a relay: sends `source` to one child, once the child's first authenticated keep-alive arrives."""

    relay: PlaneRelay
    source: SourceId
    ssrc: int
    payload_type: int
    srtp_key: str
    srtcp_key: str


class RemoveRelay(msgspec.Struct, frozen=True, kw_only=True, tag="remove_relay"):
    """Parent side: stop sending a source to a child."""

    relay: PlaneRelay


class LookAtRelay(msgspec.Struct, frozen=True, kw_only=True, tag="look_at_relay"):
    """Parent side: say with `RelayHeard` how long ago the child was heard. Nothing is said of one that never was."""

    relay: PlaneRelay


class RequestKeyframe(msgspec.Struct, frozen=True, kw_only=True, tag="request_keyframe"):
    """Ask upstream for a keyframe; merged and throttled (one per 500 ms and source)."""

    source: SourceId


class Pace(msgspec.Struct, frozen=True, kw_only=True, tag="pace"):
    """Never send a viewer's track faster than this from now on, because its link takes little more: keyframes are
    spread over the time that they take there, and neither overflow its queue nor hold up the sound. If the track falls
    behind, it goes on with the next keyframe."""

    session: PlaneSession
    track: int
    bitrate_bps: int
    """0: as fast as it comes."""


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag="probe"):
    """Send a viewer `bitrate_bps` for `duration_ms`: what its media leaves of that is padding, copies of recent packets
    of one track (RTX if there is that). Say with `Probed` what that did to the round trip. A new probe of the session
    replaces one under way, of which nothing is told."""

    session: PlaneSession
    track: int
    bitrate_bps: int
    """What media and padding are together; at most 20 Mbit/s."""
    duration_ms: int
    """How long the probe lasts; at most 5 000."""


class Tap(msgspec.Struct, frozen=True, kw_only=True, tag="tap"):
    """Deliver the source's packets to Python (`Plane.packets`). Bounded: 4 000 waiting packets, then the oldest are
    dropped and counted."""

    source: SourceId
    enabled: bool


class SetClock(msgspec.Struct, frozen=True, kw_only=True, tag="set_clock"):
    """Tell a push source its RTP clock: the same as a sender report (RFC 3550 §6.4.1)."""

    source: SourceId
    ntp: int
    """A time of the wall clock as a 64-bit NTP timestamp (RFC 3550 §4)."""
    rtp_ts: int


Command = (
    AddSession
    | RestartIce
    | ExportSession
    | ContinueSession
    | RestartDtls
    | RemoveSession
    | SwitchSource
    | LimitLayers
    | AddPushSource
    | AddRelaySource
    | AdoptFeeds
    | RemoveSource
    | AddRelay
    | RemoveRelay
    | LookAtRelay
    | RequestKeyframe
    | Pace
    | Probe
    | Tap
    | SetClock
)
