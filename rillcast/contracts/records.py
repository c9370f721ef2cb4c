"""What lies in JetStream KV: the truth about streams, apps, broadcasts and seats."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.fields import (
    BitsPerSecond,
    Channels,
    ClockRate,
    Codec,
    Count,
    Limit,
    Lines,
    Mid,
    Milliseconds,
    Password,
    Percent,
    Secret,
    Text,
    UnixMs,
    Word,
)
from rillcast.contracts.ids import LADDER, AppName, JobKind, NodeId, SessionId, StreamId, TrackId
from rillcast.contracts.words import MediaKind, NodeKind


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of one track of a live stream, as relays and viewers need to know it."""

    track: TrackId
    mid: Mid
    """The renditions of one track have the same mid: a viewer sees one track for each mid."""
    kind: MediaKind
    codec: Codec
    """The encoding name that stands in SDP: ``H264``, ``VP8``, ``VP9``, ``AV1``, ``opus``."""
    clock_rate: ClockRate
    channels: Channels = 0
    """The number of audio channels; 0 for video."""
    fmtp: Text = ""
    """The format parameters as published, e.g. ``profile-level-id=42e01f;packetization-mode=1``."""
    rid: Word = ""
    """The publisher's name for the simulcast layer; empty for a single encoding."""
    width: Lines = 0
    height: Lines = 0
    bitrate_bps: BitsPerSecond = 0
    """Recent average; 0 while unknown."""


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream. Only the origin that owns it writes this."""

    app: AppName
    stream: StreamId
    owner: NodeId
    publisher_session: SessionId
    tracks: tuple[TrackRecord, ...]
    media_flowing: bool = False
    """Whether the stream has had media, so that viewers may come."""
    silent: bool = False
    """Whether nothing has come from the publisher for some seconds. The stream waits for it."""
    started_at_ms: UnixMs = 0
    """By the wall clock, in Unix milliseconds; for display only."""
    name: Text = ""
    meta_data: Text = ""
    credential_digest: Word = ""
    """SHA-256 over the identity of the publisher, as admission verified it; empty when nothing was verified."""
    secret_digest: Word = ""
    """SHA-256 over the secret that signaling issued to the publisher. Whoever shows either again is the publisher."""
    publish_type: Word = "WebRTC"
    epoch: Count = 0
    """The fencing number of the lease. It is 0 in the write that claims the key: then the revision of that very write
    is the epoch, or `since_epoch` if that is higher, which happens in a store that lost its state and counts anew."""
    since_epoch: Count = 0
    """Relays that this owner opened in an epoch from this one to ``epoch`` are still valid: it claimed its own key anew
    after the store had lost it. The claim itself says so already, so that no child opens its relays anew for a moment's
    sake. 0 = only those of ``epoch`` are."""


class RenditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A media job: which transcoder works on which epoch of a stream, and which renditions come of it."""

    app: AppName
    stream: StreamId
    epoch: Count
    owner: NodeId
    kind: JobKind = LADDER
    tracks: tuple[TrackRecord, ...] = ()
    """The renditions that it gives to other nodes; empty for work whose results go elsewhere."""


class LadderRung(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One rung of a ladder: an entry of ``encoderSettings``, with the names that Ant Media uses."""

    height: int
    """The height of the picture in lines."""
    video_bitrate: int
    """The bit rate of the video, in bit/s."""
    audio_bitrate: int = 64_000
    """In bit/s. Ant Media's clients send it and read it back, so it is kept. It has no effect, because audio is not
    transcoded: every rendition comes with the Opus that the publisher sends."""
    force_encode: bool = True
    """Make this rung even if the source has the same height."""


class AbrSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the rendition of a viewer follows its link. Names and defaults are Ant Media's."""

    stats_based_abr_enabled: bool = msgspec.field(default=True, name="statsBasedABREnabled")
    """Whether loss, round trip and jitter count. If not, only the receiver's estimate of its bandwidth does."""
    abr_down_scale_packet_lost_ratio: Percent = 1.0
    """In percent. The rendition goes down when more packets than this are lost, beyond what the link loses anyway."""
    abr_up_scale_packet_lost_ratio: Percent = 0.1
    """In percent. The rendition goes up only while no more packets are lost, beyond what the link loses anyway."""
    abr_up_scale_rtt_ms: Milliseconds = msgspec.field(default=150.0, name="abrUpScaleRTTMs")
    """The rendition goes up only while the round trip is shorter than this."""
    abr_up_scale_jitter_ms: Milliseconds = 30.0
    """The rendition goes up only while the jitter is less than this."""
    excessive_bandwidth_algorithm_enabled: bool = False
    """Whether a higher rendition is tried because of the estimate alone, whatever round trip and jitter are."""
    excessive_bandwidth_value: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 300_000
    """In bit/s. The estimate must exceed what is sent by this much before a higher rendition is tried."""
    excessive_bandwidth_call_threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 3
    """The estimate must do so in this many measurements. There is one a second."""
    excessive_bandwidth_try_count_before_switchback: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = msgspec.field(
        default=4, name="excessiveBandwithTryCountBeforeSwitchback"
    )
    """After this many failed tries in a row there is a rest of 16 seconds."""
    packet_loss_diff_threshold_for_switchback: Percent = 10.0
    """In percentage points. A try has failed when the loss has grown by this much."""
    rtt_measurement_diff_threshold_for_switchback: Milliseconds = 20.0
    """A try has also failed when the round trip has grown by this much, beyond its usual scatter."""


class AppSettings(AbrSettings, frozen=True, kw_only=True, rename="camel"):
    """The settings of one app: a subset of Ant Media's AppSettings."""

    app_name: AppName
    encoder_settings: tuple[LadderRung, ...] = ()
    """The rungs of the ladder. If it is empty, nothing is transcoded, unless ``vp8Enabled`` asks for a codec that the
    stream lacks."""
    h264_enabled: bool = True
    """Make H.264 renditions of sources that have another codec."""
    vp8_enabled: bool = False
    """Make VP8 renditions of sources that have another codec, for viewers without H.264."""
    always_encode: bool = False
    """Encode also the rungs that nobody watches. The first viewer of a rung then gets it at once; the price is CPU."""
    web_rtc_viewer_limit: Limit = msgspec.field(default=-1, name="webRTCViewerLimit")
    """How many viewers the app may have; -1 = any number."""
    web_rtc_client_start_timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = msgspec.field(
        default=10_000, name="webRTCClientStartTimeoutMs"
    )
    """How long a client has to connect and, as a publisher, to send its first media."""
    web_rtc_keyframe_time: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = msgspec.field(
        default=2_000, name="webRTCKeyframeTime"
    )
    """In milliseconds: how often a publisher is asked for a keyframe while somebody watches; 0 = only when one is
    needed."""
    ingesting_stream_limit: Limit = -1
    """How many streams may be published in the app; -1 = any number."""
    max_ingest_bitrate_bps: Annotated[int, msgspec.Meta(ge=200_000, le=1_000_000_000)] = 10_000_000
    """A publisher is told by REMB not to send more."""
    stun_server_uri: Annotated[str, msgspec.Meta(max_length=300)] = "stun:stun.l.google.com:19302"
    turn_server_username: Annotated[str, msgspec.Meta(max_length=512)] = ""
    turn_server_credential: Password = ""
    publish_jwt_control_enabled: bool = False
    """Whether a publisher needs a JWT (HS256) with the claims ``streamId`` (or ``sub``), ``type``: ``publish`` and
    ``exp``. It is signed with ``publishTokenSecret`` if that is set, else with ``jwtStreamSecretKey``. Without a secret
    of at least 32 bytes nobody may publish."""
    play_jwt_control_enabled: bool = False
    """The same for viewers, with ``type``: ``play`` and ``playTokenSecret``."""
    jwt_stream_secret_key: Secret = ""
    """The secret of the JWTs of publishers and viewers, of at least 32 bytes."""
    publish_token_secret: Secret = ""
    """If it is set, a publisher needs a JWT as with ``publishJwtControlEnabled``, signed with this secret."""
    play_token_secret: Secret = ""
    """If it is set, a viewer needs a JWT as with ``playJwtControlEnabled``, signed with this secret."""
    token_max_life_s: Annotated[int, msgspec.Meta(ge=0, le=315_360_000)] = 0
    """How far ahead the ``exp`` of a JWT may lie, in seconds; one without ``exp`` is refused. 0 = any time."""
    hash_control_publish_enabled: bool = False
    """Whether a publisher needs a hash as its token: the SHA-256, in hex, of the stream id, the word ``publish`` and
    ``tokenHashSecret``, one after the other. Such a token never expires."""
    hash_control_play_enabled: bool = False
    """The same for viewers, with the word ``play``."""
    token_hash_secret: Secret = ""
    """The secret of the hashes, of at least 32 bytes."""
    jwt_control_enabled: bool = False
    """Whether the app's REST takes JWT in ``Authorization``, besides the sessions and tokens of operators."""
    jwt_secret_key: Secret = ""
    """The secret of such JWT (HS256), at least 32 bytes."""
    jwks_url: Annotated[str, msgspec.Meta(max_length=512)] = msgspec.field(default="", name="jwksURL")
    """Where an identity provider publishes the keys of such JWT (RS256, ES256). It counts before the secret."""
    ip_filter_enabled: bool = False
    """Whether the app's REST answers only to the addresses in ``remoteAllowedCIDR``. It only narrows: whoever asks from
    there needs a session or a token as well."""
    remote_allowed_cidr: Annotated[str, msgspec.Meta(max_length=4_096)] = msgspec.field(
        default="127.0.0.1", name="remoteAllowedCIDR"
    )
    """Networks and addresses, separated by commas."""

    @property
    def abr(self) -> AbrSettings:
        """Those of the settings that an edge may know: no secrets."""
        return msgspec.convert(self, AbrSettings, from_attributes=True)


class BroadcastRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was set for one stream, whether it is live or not: a subset of Ant Media's Broadcast."""

    stream_id: StreamId
    encoder_settings_list: tuple[LadderRung, ...] | None = None
    """The rungs of this stream in place of the app's ``encoderSettings``; null = those of the app."""


class SeatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The seat of one node under the license of the cluster."""

    node: NodeId
    kind: NodeKind
    incarnation: Word
    """Random for each start of the process. A restart under the same node id takes its own seat over."""
    acquired_at_ms: UnixMs
