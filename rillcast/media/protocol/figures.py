"""What the plane measures: most of it it tells about once a second."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.media.protocol.ids import PlaneSession, SourceId


class SourceStats(msgspec.Struct, frozen=True, kw_only=True, tag="source_stats"):
    """Once a second per source."""

    source: SourceId
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
    """Once a second per connected session; also at once when a viewer's REMB falls by 5 %, or when it
    reports that it is 100 ms further behind than usual."""

    session: PlaneSession
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
    delivered_bps: int = 0
    """The bit rate that reached a viewer between its last report and an earlier one, of one video with its repairs; 0
    if there is no telling."""
    backlogged: bool = False
    """Whether the viewer was far behind at both reports, so that all of that waited in a queue: it is what the link
    takes."""
    jitter_ms: float
    nacks: int
    """The number of packets that the peer has asked for again since the session began."""
    repaired: int
    """The number of those that were sent again from the ring."""
    dropped: int
    """Packets not sent because the socket or the viewer's budget was full."""
    keyframe_requests: int = 0
    """How many keyframes the peer has asked for since the session began."""
    video_bps: int
    audio_bps: int


class Probed(msgspec.Struct, frozen=True, kw_only=True, tag="probed"):
    """The result of a `Probe`, once for each that no later one has replaced, unless its session ends."""

    session: PlaneSession
    track: int
    padding_bytes: int
    """How many bytes of padding were sent."""
    media_bytes: int
    """How many bytes of media were sent meanwhile. Both are 0 if there was nothing to repeat."""
    lasted_ms: float
    """How long the padding took. It ends early when it makes a long queue."""
    before_ms: float
    """The round trip before the padding, the median of three; 0 if none of these checks was answered."""
    after_ms: float
    """The round trip at its end, the median of four; 0 if none of these checks was answered."""
    checks: int
    """How many checks were sent before, during and after the padding."""
    answered: int
    """How many of them were answered."""


class Fallback(StrEnum):
    """Why a message of media left by the socket although the node sends past it."""

    UNPROVED = "unproved"
    """The viewer has not reported yet that media reaches it."""
    UNHEARD = "unheard"
    """The viewer reported no more that media reached it: the way past the socket was wrong."""
    UNRESOLVED = "unresolved"
    """The address of the neighbour on the link is not known."""
    NOT_ASKED = "not_asked"
    """The way has not been asked for yet."""
    LOCAL = "local"
    """The viewer is on this host."""
    NO_ETHERNET = "no_ethernet"
    """The device is no Ethernet: a tunnel, for instance."""
    LINK_DOWN = "link_down"
    """The device is down or has no carrier."""
    ODD_ROUTE = "odd_route"
    """There is no route, or one that only the kernel can go."""
    TOO_MANY = "too_many"
    """There are more neighbours or devices than are remembered."""
    TOO_LONG = "too_long"
    """A packet is longer than the way takes."""
    RING_FULL = "ring_full"
    """Whatever was sent before still waits for the device."""
    REFUSED = "refused"
    """The kernel did not take it: the device went down, or its queue was full."""


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
    tcp_connections: int = 0
    """How many TCP connections of clients the worker has now."""
    sources: int = 0
    """How many sources the worker has now, with images of those that live on other workers."""
    nacks_sent: int = 0
    """How many packets publishers and parents were asked for again since the worker's start."""
    keyframe_requests_in: int = 0
    """How many keyframes viewers and children have asked for since then."""
    keyframe_requests_out: int = 0
    """How many keyframes publishers and parents were asked for since then."""
    passages: tuple[int, ...] = ()
    """How many packets took how long through the worker since then, by the buckets of
    ``rillcast_plane_passage_seconds``; the last one has no upper bound."""
    passage_us: int = 0
    """The sum of that time in microseconds."""
    messages_raw: int = 0
    """How many messages of media, each of up to 16 packets, left for viewers past the socket since its start."""
    messages_by_socket: int = 0
    """How many left by the socket since then."""
    fallbacks: dict[str, int] = {}
    """Why they left by the socket although the node sends past it, by reason: see `Fallback`."""
    counters: dict[str, int]
    """How often something was refused or dropped, by reason.

    Of what sources keep for who comes later, these are dropped: `keyframe_not_kept` (and all since: the rings of all
    videos have no room for it), `parameter_set_not_kept` (too long, or too many of them). `sender_reports_set_aside`: a
    publisher's sender reports contradict each other or came no more, so that the arrival of packets tells its clock."""
