"""What lies in JetStream KV: the truth about streams, apps and seats."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of one track of a live stream, as relays and viewers need to know it."""

    track: TrackId
    mid: str
    """Groups renditions of the same track: viewers see one track per mid."""
    kind: str
    """``audio`` or ``video``."""
    codec: str
    """RTP encoding name as in SDP: ``H264``, ``VP8``, ``VP9``, ``AV1``, ``opus``."""
    clock_rate: int
    channels: int = 0
    """0 for video."""
    fmtp: str = ""
    """Format parameters as published, e.g. ``profile-level-id=42e01f;packetization-mode=1``."""
    rid: str = ""
    """Simulcast layer name of the publisher; empty for a single encoding."""
    width: int = 0
    height: int = 0
    bitrate_bps: int = 0
    """Recent average; 0 while unknown."""


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream. Written by its origin only."""

    app: AppName
    stream: StreamId
    owner: NodeId
    publisher_session: SessionId
    tracks: tuple[TrackRecord, ...]
    media_flowing: bool = False
    started_at_ms: int = 0
    """Wall clock, for display only."""
    name: str = ""
    meta_data: str = ""
    credential_digest: str = ""
    """SHA-256 over the publisher's credentials or identity; the rightful owner shows the same on return."""
    publish_type: str = "WebRTC"
    epoch: int = 0
    """The lease's fencing number. 0 in the write that claims the key: then the revision of that very write is the
    epoch."""
    since_epoch: int = 0
    """Relays opened by this owner under an epoch from here to ``epoch`` are still valid (the owner claimed its own
    key anew
    after the store had lost it). 0 = only ``epoch``."""


class RenditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A ladder job: which transcoder makes which renditions of which epoch of a stream."""

    app: AppName
    stream: StreamId
    epoch: int
    owner: NodeId
    tracks: tuple[TrackRecord, ...] = ()


class LadderRung(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One encoderSettings entry, named as Ant Media names it."""

    height: int
    video_bitrate: int
    """bit/s"""
    audio_bitrate: int = 64_000
    """bit/s"""
    force_encode: bool = True


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Settings of one app (a subset of Ant Media's AppSettings; more keys arrive with their features)."""

    app_name: str
    encoder_settings: tuple[LadderRung, ...] = ()
    """The ladder; empty = nothing is transcoded unless ``vp8Enabled`` asks for the codec a stream lacks."""
    h264_enabled: bool = True
    """Make H264 renditions of sources in other codecs."""
    vp8_enabled: bool = False
    """Make VP8 renditions of sources in other codecs, for viewers without H264."""
    always_encode: bool = False
    """Encode rungs that nobody watches too: the first viewer of each gets it at once, at the price of its CPU."""
    web_rtc_viewer_limit: int = msgspec.field(default=-1, name="webRTCViewerLimit")
    web_rtc_client_start_timeout_ms: int = msgspec.field(default=10_000, name="webRTCClientStartTimeoutMs")
    web_rtc_keyframe_time: int = msgspec.field(default=2_000, name="webRTCKeyframeTime")
    ingesting_stream_limit: int = -1
    max_ingest_bitrate_bps: int = 10_000_000
    stun_server_uri: str = "stun:stun.l.google.com:19302"
    turn_server_username: str = ""
    turn_server_credential: str = ""
    publish_token_secret: str = ""
    """When set, publishing needs a JWT (HS256, claims sub=streamId, type=publish) signed with it."""
    play_token_secret: str = ""
    """When set, playing needs a JWT (HS256, claims sub=streamId, type=play) signed with it."""


class BroadcastRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was set for one stream, live or not (a subset of Ant Media's Broadcast)."""

    stream_id: str
    encoder_settings_list: tuple[LadderRung, ...] | None = None
    """Instead of the app's ``encoderSettings``; null = as the app has it."""


class SeatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One node's seat under the cluster licence."""

    node: NodeId
    kind: str
    incarnation: str
    """Random per process start; a restart of the same node id takes its own seat over."""
    acquired_at_ms: int
