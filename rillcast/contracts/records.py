"""What lies in JetStream KV: the truth about streams, apps, broadcasts and seats."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.fields import (
    BackupAfterMs,
    BackupLongestS,
    BitsPerSecond,
    Channels,
    ClockRate,
    Codec,
    Count,
    DurationMs,
    HeaderValue,
    Limit,
    Lines,
    Mid,
    Milliseconds,
    Password,
    Percent,
    Secret,
    Text,
    UnixMs,
    UnixS,
    Url,
    Word,
)
from rillcast.contracts.ids import (
    LADDER,
    UNSAID_CLAIM,
    AppName,
    ClaimId,
    JobKind,
    MaybeStreamId,
    NodeId,
    SessionId,
    StreamId,
    TrackId,
)
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.words import MediaKind, NodeKind, SpareCodec

StrictCodecs = Annotated[tuple[SpareCodec, ...], msgspec.Meta(max_length=8)]


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
    subscriber_id: Text = ""
    """As `PublishRequest.subscriber_id`."""
    credential_digest: Word = ""
    """SHA-256 over the identity of the publisher, as admission verified it; empty when nothing was verified."""
    secret_digest: Word = ""
    """SHA-256 over the secret that signaling issued to the publisher. Whoever shows either again is the publisher."""
    movable: bool = False
    """Whether signaling moves the publisher to another origin when this one is gone. Until the lease is over, the
    stream is then kept for whoever shows either digest, although its owner is known to have ended."""
    publish_type: Word = "WebRTC"
    epoch: Count = 0
    """The fencing number of the lease; see `epochs.Epoch`. The owner chooses it before it claims the key: microseconds
    of its wall clock, or more when it knows of an epoch as high as that. A node of version 3 wrote 0 here when it
    claimed the key, and meant the revision of that write."""
    claim: ClaimId = UNSAID_CLAIM
    """Which claim the epoch belongs to. An owner whose record was lost claims the key anew, with a higher epoch and the
    same claim: what it granted stays valid. Another claim makes all of that void."""
    backup: StreamId | None = None
    """The stream of the same app that viewers are shown now, because nothing comes from the publisher; None: this
    one. Of that stream they are shown what its own publisher sends, and never its backup."""
    backup_longest_s: Count = 0
    """With `backup`: how long viewers may be shown it when nobody owns this stream any more."""
    figures: IngestFigures = IngestFigures()


class RenditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A media job: which transcoder works on which claim of a stream, and which renditions come of it."""

    app: AppName
    stream: StreamId
    epoch: Count
    """The fencing number of the lease on the job, as `StreamRecord.epoch` is that of the lease on the stream."""
    owner: NodeId
    claim: ClaimId = UNSAID_CLAIM
    """Which claim of the job the epoch belongs to, as `StreamRecord.claim`."""
    stream_claim: ClaimId = UNSAID_CLAIM
    """The claim of the stream whose media the job works on. Under another claim of the stream the job is void."""
    kind: JobKind = LADDER
    tracks: tuple[TrackRecord, ...] = ()
    """The renditions that it gives to other nodes; empty for work whose results go elsewhere."""


class LadderRung(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One rung of a ladder: an entry of ``encoderSettings``, with the names that Ant Media uses."""

    height: int = 0
    """The height of the picture in lines."""
    video_bitrate: int = 0
    """The bit rate of the video, in bit/s."""
    audio_bitrate: int = 64_000
    """In bit/s. Ant Media's clients send it and read it back, so it is kept. It has no effect, because audio is not
    transcoded: every rendition comes with the Opus that the publisher sends."""
    force_encode: bool = True
    """Make this rung even if the source has the same height."""
    force_same_resolution_encode: bool = False
    """The same, and it counts also where `force_encode` is false."""


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


class LadderSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Those of an app's settings that transcoders and origins may know."""

    app_name: AppName
    encoder_settings: tuple[LadderRung, ...] = ()
    """See `AppSettings`, as for the others."""
    h264_enabled: bool = True
    vp8_enabled: bool = False
    always_encode: bool = False
    backup_stream_id: MaybeStreamId = ""
    backup_after_ms: BackupAfterMs = 1_000
    backup_longest_s: BackupLongestS = 3_600


class AppSettings(AbrSettings, frozen=True, kw_only=True, rename="camel"):
    """The settings of one app: a subset of Ant Media's AppSettings."""

    app_name: AppName
    encoder_settings: tuple[LadderRung, ...] = ()
    """The rungs of the ladder. If it is empty, nothing is transcoded, unless ``vp8Enabled`` asks for a codec that the
    stream lacks."""
    h264_enabled: bool = True
    """Whether H.264 is switched on: publishers may send it, viewers are offered it, and sources in other codecs get
    rungs in it. Ant Media's clients send the first codec that is switched on and that they have, in the order H.264,
    VP8, VP9, AV1, H.265; clients of WHIP the first one of their own offer. If no codec is switched on at all, no video
    may be published."""
    vp8_enabled: bool = False
    """As ``h264Enabled``, for VP8, in which also sources without rungs are made, for viewers without H.264. As long as
    nobody has posted false (``strictCodecs``), a publisher without any codec that is switched on may send VP8
    nevertheless."""
    av1_enabled: bool = False
    """As ``vp8Enabled``, for AV1, in which no rungs are made."""
    h265_enabled: bool = False
    """As ``vp8Enabled``, for H.265, in which no rungs are made."""
    vp9_enabled: bool = False
    """As ``vp8Enabled``, for VP9, in which no rungs are made. Ant Media does not have it."""
    strict_codecs: StrictCodecs = ()
    """The codecs that are switched off where their switch is false: nobody may publish in them, and no viewer is
    offered them. Whoever posts false for ``vp8Enabled``, ``vp9Enabled``, ``av1Enabled`` or ``h265Enabled`` adds that
    codec, unless it was false before and the body is one that was read by GET (it has ``updateTime``). This list,
    posted as well, says it outright. Of a codec that does not stand here, false only says that Ant Media's clients send
    another one if they can. ``h264Enabled`` is always strict."""
    always_encode: bool = False
    """Encode also the rungs that nobody watches. The first viewer of a rung then gets it at once; the price is CPU."""
    backup_stream_id: MaybeStreamId = ""
    """The stream of this app that viewers of any other one are shown while nothing comes from its publisher; empty =
    none. Whoever may see a stream needs no token for its backup. A backup has no backup: of a stream that is one, only
    what its own publisher sends is shown."""
    backup_after_ms: BackupAfterMs = 1_000
    """How long nothing must have come from a publisher, in milliseconds, before its viewers are shown the backup.
    Silence is measured once a second; a stream without sound is given 0.5 s more."""
    backup_longest_s: BackupLongestS = 3_600
    """How long a stream outlives its publisher, in seconds, while viewers are shown the backup. A publisher that stops
    on purpose ends its stream at once."""
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
    stun_server_uri: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """The STUN or TURN server that clients are told of, on the wire ``stunServerURI``."""
    turn_server_username: Annotated[str, msgspec.Meta(max_length=512)] = ""
    """The name that clients show to the TURN server."""
    turn_server_credential: Password = ""
    """The password for that name. Clients are told it."""
    turn_secret: Secret = ""
    """The secret that is shared with the TURN server (coturn's ``static-auth-secret``). If it is set, each client gets
    a name and a password of its own, which hold for ``turnCredentialLifeS``, in place of the two settings above."""
    turn_credential_life_s: Annotated[int, msgspec.Meta(ge=60, le=604_800)] = 3_600
    """How long such a password holds, in seconds. A session that lasts longer needs none anew unless it loses its
    relay."""
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
    publish_token_control_enabled: bool = False
    """Whether a publisher needs a one-time token, made by REST."""
    play_token_control_enabled: bool = False
    """Whether a viewer needs a one-time token, made by REST."""
    enable_time_token_for_publish: bool = False
    """Whether a publisher needs a subscriber id and a time-based code (RFC 6238, HMAC-SHA-1, six digits)."""
    enable_time_token_for_play: bool = False
    """Whether a viewer needs a subscriber id and a time-based code."""
    time_token_secret_for_publish: Secret | None = None
    """The secret of the codes of publishers that are no registered subscribers, of at least 32 bytes. Without it only
    registered subscribers with a secret of their own get in."""
    time_token_secret_for_play: Secret | None = None
    """The secret that the time-based codes of viewers are made with, of at least 32 bytes."""
    time_token_period: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 60
    """How many seconds a time-based code stands for. The one before and the one after are taken too."""
    time_token_separator: Annotated[str, msgspec.Meta(max_length=1)] = ""
    """A character that goes between secret, subscriber id, stream id and role where codes are made from the app's
    secret, such as ``/``. Without it, as with Ant Media, ``ann`` on ``1x`` has the same codes as ``ann1`` on ``x``."""
    webhook_authenticate_url: Url = msgspec.field(default="", name="webhookAuthenticateURL")
    """If it is set, this address is asked by POST before somebody may publish. Any answer but 200, and none within 5 s,
    means no."""
    webhook_play_auth_url: Url = ""
    """If it is set, this address is asked by POST before somebody may play. Any answer but 200, and none within 5 s,
    means no."""
    listener_hook_url: Url = msgspec.field(default="", name="listenerHookURL")
    """Where the app's events are told by POST, such as liveStreamStarted. Empty = nowhere, except for streams that have
    an address of their own."""
    webhook_retry_count: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """How often an event is told again that was not answered by the status 200. After that it is given up."""
    webhook_retry_delay: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 1_000
    """In milliseconds: the pause before an event is told again. Each further one is twice as long, up to a minute."""
    webhook_content_type: Annotated[str, msgspec.Meta(max_length=100)] = "application/json"
    """How events are written: ``application/json`` or ``application/x-www-form-urlencoded``."""
    webhook_secret: Secret = ""
    """If it is set, whatever is sent to the app's webhooks is signed with it (HMAC-SHA-256), so that they know who
    sends it. It has at least 32 bytes."""
    write_subscriber_events_to_datastore: bool = False
    """Whether it is kept when subscribers connect and disconnect."""
    accept_only_streams_in_data_store: bool = False
    """Whether only streams may be published for which a broadcast was created by REST before."""
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
    """The secret of such JWT (HS256), at least 32 bytes. It is no other secret of the app: who makes tokens for streams
    would make administrators."""
    jwks_url: Annotated[str, msgspec.Meta(max_length=512)] = msgspec.field(default="", name="jwksURL")
    """Where an identity provider publishes the keys of such JWT (RS256, ES256). It counts before the secret. It needs
    ``jwtAudience``, or else every token of that provider would make an administrator of the app."""
    jwt_audience: Annotated[str, msgspec.Meta(max_length=512)] = ""
    """What ``aud`` of such JWT must name. Empty: it is not looked at, and keys of ``jwksURL`` let nobody in."""
    ip_filter_enabled: bool = False
    """Whether the app's REST answers only to the addresses in ``remoteAllowedCIDR``. It only narrows: whoever asks from
    there needs a session or a token as well."""
    remote_allowed_cidr: Annotated[str, msgspec.Meta(max_length=4_096)] = msgspec.field(
        default="127.0.0.1", name="remoteAllowedCIDR"
    )
    """Networks and addresses, separated by commas."""
    allowed_publisher_cidr: Annotated[str, msgspec.Meta(max_length=4_096)] = msgspec.field(
        default="", name="allowedPublisherCIDR"
    )
    """From where streams may be published, by whatever protocol: networks and addresses, separated by commas. Empty =
    from everywhere. Who publishes already goes on."""
    content_security_policy_header_value: HeaderValue = ""
    """If it is set, every answer below the app's path has it as ``Content-Security-Policy``. Pages keep their own
    policy beside it, so that a browser obeys both."""
    secure_analytic_endpoint: bool = False
    """Whether only who may use the app's REST may report what a player does. Otherwise everybody may."""
    update_time: UnixMs = 0
    """When the settings were changed last, in Unix milliseconds; 0 = never."""
    app_installation_time: UnixMs = 0
    """When the app was made by REST, in Unix milliseconds; 0 = it was there from the start."""
    kept: dict[Word, Text] = {}
    """What was set of Ant Media's settings that change nothing here: the JSON of each value that is not the default, by
    the setting's name. Nobody but REST reads it."""

    @property
    def abr(self) -> AbrSettings:
        """Those of the settings that an edge may know: no secrets."""
        return msgspec.convert(self, AbrSettings, from_attributes=True)

    @property
    def ladder(self) -> LadderSettings:
        """Those of the settings that a transcoder may know: no secrets."""
        return msgspec.convert(self, LadderSettings, from_attributes=True)


class BroadcastRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was set for one stream, whether it is live or not: a subset of Ant Media's Broadcast."""

    stream_id: StreamId
    encoder_settings_list: tuple[LadderRung, ...] | None = None
    """The rungs of this stream in place of the app's ``encoderSettings``; null = those of the app."""
    planned_start_date: UnixS = 0
    """In Unix seconds: the stream may not be published before; 0 = at any time."""
    planned_end_date: UnixS = 0
    """In Unix seconds: nobody may begin to publish the stream after this; 0 = at any time."""
    expire_duration_ms: DurationMs = msgspec.field(default=0, name="expireDurationMS")
    """How long after `date` somebody may begin to publish the stream; 0 = for ever."""
    date: UnixMs = 0
    """When it was created, in Unix milliseconds. It is set where ``expireDurationMS`` is."""
    web_rtc_viewer_limit: Limit = msgspec.field(default=-1, name="webRTCViewerLimit")
    """How many viewers the stream may have; -1 = as many as the app."""
    listener_hook_url: Url | None = msgspec.field(default=None, name="listenerHookURL")
    """Where the events of this stream are told, in place of the app's ``listenerHookURL``; null or empty = there."""
    backup_stream_id: MaybeStreamId | None = None
    """The backup of this stream in place of the app's ``backupStreamId``; null = that of the app, empty = none."""
    backup_after_ms: BackupAfterMs | None = None
    """In place of the app's ``backupAfterMs``; null = that of the app."""
    backup_longest_s: BackupLongestS | None = None
    """In place of the app's ``backupLongestS``; null = that of the app."""


class SeatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The seat of one node under the license of the cluster."""

    node: NodeId
    kind: NodeKind
    incarnation: Word
    """Random for each start of the process. A restart under the same node id takes its own seat over."""
    acquired_at_ms: UnixMs
