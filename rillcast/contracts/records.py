"""What lies in JetStream KV: the truth about streams, apps and seats."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId
from rillcast.contracts.words import MediaKind, NodeKind


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of one track of a live stream, as relays and viewers need to know it."""

    track: TrackId
    mid: str
    """Groups renditions of the same track: viewers see one track per mid."""
    kind: MediaKind
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
    """Relays opened by this owner under an epoch from here to ``epoch`` are still valid: the owner claimed its own key
    anew after the store had lost it. 0 = only ``epoch``."""


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
    """bit/s. Accepted because Ant Media's clients send it; audio is not transcoded."""
    force_encode: bool = True


Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=10_000)]


class AbrSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a viewer's rendition follows its link, named and preset as Ant Media has it."""

    stats_based_abr_enabled: bool = msgspec.field(default=True, name="statsBasedABREnabled")
    """Let loss, round trip and jitter count; otherwise only the receiver's bandwidth estimate does."""
    abr_down_scale_packet_lost_ratio: Percent = 1.0
    """Go down when more than this gets lost, beyond what the link loses anyway."""
    abr_up_scale_packet_lost_ratio: Percent = 0.1
    """Go up only while not more than this gets lost, beyond what the link loses anyway,"""
    abr_up_scale_rtt_ms: Milliseconds = msgspec.field(default=150.0, name="abrUpScaleRTTMs")
    """the round trip is shorter than this,"""
    abr_up_scale_jitter_ms: Milliseconds = 30.0
    """and the jitter is less than this."""
    excessive_bandwidth_algorithm_enabled: bool = False
    """Try a higher rendition as soon as the estimate says so, whatever round trip and jitter are:"""
    excessive_bandwidth_value: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 300_000
    """when it is by so much (bit/s) more than what is sent"""
    excessive_bandwidth_call_threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 3
    """in so many measurements, one a second;"""
    excessive_bandwidth_try_count_before_switchback: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = msgspec.field(
        default=4, name="excessiveBandwithTryCountBeforeSwitchback"
    )
    """after so many failed tries in a row it rests for 16 seconds."""
    packet_loss_diff_threshold_for_switchback: Percent = 10.0
    """A try has failed when loss grew by so much,"""
    rtt_measurement_diff_threshold_for_switchback: Milliseconds = 20.0
    """or the round trip, beyond its usual scatter."""


class AppSettings(AbrSettings, frozen=True, kw_only=True, rename="camel"):
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

    @property
    def abr(self) -> AbrSettings:
        """These alone: what an edge may know."""
        return msgspec.convert(self, AbrSettings, from_attributes=True)


class BroadcastRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was set for one stream, live or not (a subset of Ant Media's Broadcast)."""

    stream_id: str
    encoder_settings_list: tuple[LadderRung, ...] | None = None
    """Instead of the app's ``encoderSettings``; null = as the app has it."""


class SeatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One node's seat under the cluster license."""

    node: NodeId
    kind: NodeKind
    incarnation: str
    """Random per process start; a restart of the same node id takes its own seat over."""
    acquired_at_ms: int
