"""What each of Ant Media's settings of an app does here: the one table from which REST, the file of apps, the OpenAPI
document and the reference page take it.

A key *acts* if it is a field of `AppSettings`. Of the others, a key is *stored* only where no value of it asks for
anything that would be missed: it tunes a part that is not here at all; or what it says holds here whatever it is.
Everything else is *refused*: it asks for something to be done, limited, protected, run or told, and this build does
not do that. So only its default is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, get_type_hints

import msgspec

from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.secret_fields import is_secret

Json = bool | int | float | str | list[Any] | dict[str, Any] | None


class Effect(StrEnum):
    """What becomes of a value that is posted."""

    ACTS = "acts"
    """It does what it says, at every instance and node, from now on."""
    STORED = "stored"
    """It is kept and given back, and changes nothing."""
    REFUSED = "refused"
    """Only its default is taken, since this build cannot do what any other value asks for."""
    TOLD = "told"
    """The server says it, and passes over what is posted."""


class Kind(StrEnum):
    """The type of a value in JSON."""

    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    LIST = "a list"
    OBJECT = "an object"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the table knows of one key."""

    key: str
    """As Ant Media's REST spells it."""
    default: Json
    kind: Kind
    effect: Effect
    why: str = ""
    """Why it is stored or refused, as the end of a sentence about it."""
    field: str = ""
    """Of one that acts: the field of `AppSettings`."""
    nullable: bool = False
    """Whether it may be null."""
    secret: bool = False
    """Whether it is never given back."""
    least: int | None = None
    """Of text that is a number: smaller ones become this, as with Ant Media."""


STUN = "stunServerURI"
RUNGS_TEXT = "encoderSettingsString"
CUSTOM = "customSettings"
OWN = frozenset(
    {
        "always_encode",
        "backup_stream_id",
        "backup_after_ms",
        "backup_longest_s",
        "max_ingest_bitrate_bps",
        "turn_secret",
        "turn_credential_life_s",
        "publish_token_secret",
        "play_token_secret",
        "token_max_life_s",
        "time_token_separator",
        "vp9_enabled",
        "strict_codecs",
        "webhook_secret",
        "jwt_audience",
    }
)
"""Fields of `AppSettings` that Ant Media does not have."""
BOOKKEEPING = frozenset({"app_name", "update_time", "app_installation_time", "kept"})
"""Fields of `AppSettings` that nobody posts."""

WHOLE = frozenset(
    {
        "abrUpScaleRTTMs",
        "abrUpScaleJitterMs",
        "packetLossDiffThresholdForSwitchback",
        "rttMeasurementDiffThresholdForSwitchback",
    }
)
"""Numbers that Ant Media writes without a fraction. Here they may have one."""

_TOLD: Mapping[str, Json] = {"appName": "", "updateTime": 0, "appStatus": "installed", "appInstallationTime": 0}

_STORED: tuple[tuple[str, Mapping[str, Json]], ...] = (
    (
        "no HLS is made here, whatever it says",
        {
            "hlsMuxingEnabled": True,
            "hlsListSize": "15",
            "hlsTime": "2",
            "hlsPlayListType": "",
            "hlsflags": "delete_segments+program_date_time",
            "hlsSegmentType": "mpegts",
            "hlsSegmentFileSuffixFormat": "%09d",
            "deleteHLSFilesOnEnded": True,
            "addDateTimeToHlsFileName": False,
            "addOriginalMuxerIntoHLSPlaylist": True,
            "aacEncodingEnabled": True,
            "audioBitrateSFU": 96_000,
        },
    ),
    (
        "it tunes DASH, which dashMuxingEnabled would switch on",
        {
            "dashSegDuration": "6",
            "dashFragmentDuration": "0.5",
            "targetLatency": "3.5",
            "dashWindowSize": "5",
            "dashExtraWindowSize": "5",
            "lLDashEnabled": True,
            "useTimelineDashMuxing": False,
            "dashHttpStreaming": True,
            "deleteDASHFilesOnEnded": True,
        },
    ),
    (
        "it tunes recordings, which mp4MuxingEnabled and webMMuxingEnabled would switch on",
        {
            "addDateTimeToMp4FileName": False,
            "fileNameFormat": "%r%b",
            "recordingSubfolder": None,
            "subFolder": "",
            "httpForwardingExtension": "",
            "relayRTMPMetaDataToMuxers": True,
        },
    ),
    (
        "it tunes uploads, which s3RecordingEnabled would switch on",
        {
            "s3AccessKey": "",
            "s3SecretKey": "",
            "s3BucketName": "",
            "s3RegionName": "",
            "s3Endpoint": "",
            "s3StreamsFolderPath": "streams",
            "s3PreviewsFolderPath": "previews",
            "s3StorageClass": "STANDARD",
            "s3CacheControl": "no-store, no-cache, must-revalidate, max-age=0",
            "s3PathStyleAccessEnabled": False,
            "s3Permission": "public-read",
            "s3TransferBufferSizeInBytes": 10_000_000,
            "uploadExtensionsToS3": 7,
        },
    ),
    (
        "it tunes previews, which generatePreview would switch on",
        {
            "createPreviewPeriod": 5_000,
            "previewHeight": 480,
            "previewFormat": "png",
            "previewQuality": 75,
            "previewOverwrite": False,
        },
    ),
    (
        "it tunes ways of ingest and endpoints that are not here",
        {
            "rtmpIngestBufferTimeMs": 0,
            "heightRtmpForwarding": 360,
            "srtReceiveLatencyInMs": 150,
            "maxAnalyzeDurationMS": 1_500,
            "rtspPullTransportType": "3",
            "rtspTimeoutDurationMs": 5_000,
            "restartStreamFetcherPeriod": 0,
            "streamFetcherBufferTime": 0,
            "endpointHealthCheckPeriodMs": 2_000,
            "endpointRepublishLimit": 3,
        },
    ),
    (
        "there are no data channels here, whatever it says",
        {"dataChannelEnabled": True, "dataChannelPlayerDistribution": "all"},
    ),
    ("it tunes sendAudioLevelToViewers", {"audioLevelThreshold": 120}),
    ("it names the server of signalingEnabled", {"signalingAddress": ""}),
    ("it names the server of pullWarFile", {"warFileOriginServerAddress": ""}),
    ("candidates are not gathered here, so that nobody waits for them", {"iceGatheringTimeoutMs": 2_000}),
    ("the source is always a rendition here", {"useOriginalWebRTCEnabled": False}),
    ("no card decodes here, so that none has to be kept from it", {"hwDecoderEnabled": True}),
    ("there is no MySQL here", {"mySqlClientPath": "/usr/local/antmedia/mysql"}),
    ("nodes know each other by other keys here", {"clusterCommunicationKey": ""}),
    (
        "nothing is pushed to phones here, and a request to do so is refused",
        {
            "firebaseAccountKeyJSON": None,
            "apnsServer": "api.sandbox.push.apple.com",
            "apnTeamId": None,
            "apnPrivateKey": None,
            "apnKeyId": None,
            "subscriberAuthenticationKey": "",
        },
    ),
    ("it is for whoever reads it", {CUSTOM: {}}),
)

_REFUSED: tuple[tuple[str, Mapping[str, Json]], ...] = (
    ("this build makes no HLS", {"hlsHttpEndpoint": "", "id3TagEnabled": False, "lLHLSEnabled": False}),
    ("this build makes no HLS, so that it would protect nothing", {"hlsEncryptionKeyInfoFile": ""}),
    ("this build makes no DASH", {"dashMuxingEnabled": False, "dashHttpEndpoint": "", "hlsEnabledViaDash": False}),
    ("this build records nothing", {"mp4MuxingEnabled": False, "webMMuxingEnabled": False}),
    ("this build uploads nothing", {"s3RecordingEnabled": False}),
    ("this build keeps no files that it could send others to", {"httpForwardingBaseURL": ""}),
    ("this build writes no pictures to previews/, and makes them when somebody looks", {"generatePreview": False}),
    ("this build speaks no RTMP", {"rtmpPlaybackEnabled": False}),
    ("this build pulls no streams", {"startStreamFetcherAutomatically": False}),
    ("this build looks at no publisher's resolution or rate of frames", {"maxFpsAccept": 0, "maxResolutionAccept": 0}),
    ("this build tells nobody at intervals how a stream is", {"webhookStreamStatusUpdatePeriodMs": -1}),
    (
        "this build runs no scripts",
        {
            "muxerFinishScript": "",
            "streamStartedScript": "",
            "streamEndedScript": "",
            "streamIdleTimeoutScript": "",
            "vodUploadFinishScript": "",
        },
    ),
    ("this build has no data channels", {"dataChannelWebHookURL": ""}),
    (
        "this build has no rooms",
        {
            "maxAudioTrackCount": -1,
            "maxVideoTrackCount": -1,
            "sendAudioLevelToViewers": False,
            "participantVisibilityMatrix": {
                "default": ["default"],
                "attendee": ["speaker", "active_attendee"],
                "active_attendee": ["active_attendee", "speaker"],
                "speaker": ["speaker", "active_attendee"],
            },
        },
    ),
    ("this build has no rooms, so that it would protect nothing", {"acceptOnlyRoomsInDataStore": False}),
    (
        "RILLCAST_ADVERTISE_MEDIA_ADDRESSES says which addresses clients are told",
        {"replaceCandidateAddrWithServerAddr": False, "disableIPv6Candidates": True},
    ),
    ("RILLCAST_ICE_TCP_CONNECTIONS says whether clients may come by TCP", {"webRTCTcpCandidatesEnabled": False}),
    (
        "RILLCAST_MEDIA_PORT says at which ports a node has its media",
        {"webRTCPortRangeMin": 50_000, "webRTCPortRangeMax": 60_000, "portAllocatorFlags": 0},
    ),
    ("this build has nothing but WebRTC", {"webRTCEnabled": True, "webRTCSdpSemantics": "unifiedPlan"}),
    ("a play that comes again begins anew here", {"playWebRTCStreamOnceForEachSession": True}),
    ("a stream waits for a publisher that is silent here", {"dropWebRTCIngestIfNoPacketReceived": False}),
    ("any signaling instance stands for all nodes here", {"signalingEnabled": False}),
    ("nodes find out by themselves when a link between them has died", {"originEdgeIdleTimeout": 2}),
    (
        "the settings of transcoders (RILLCAST_TRANSCODER_…) say how is encoded",
        {
            "webRTCFrameRate": 30,
            "gopSize": 0,
            "encoderName": "",
            "encoderParameters": {},
            "encoderThreadCount": 0,
            "encoderThreadType": 0,
            "vp8EncoderThreadCount": 1,
            "encoderSelectionPreference": "gpu_and_cpu",
            "hwScalingEnabled": False,
            "forceDecoding": False,
            "forceAspectRatioInTranscoding": False,
            "encodingQueueSize": 150,
        },
    ),
    ("REST counts viewers when it is asked", {"writeStatsToDatastore": True}),
    ("this build has no WAR files", {"pullWarFile": False}),
)
_LEAST = {"hlsListSize": 5, "hlsTime": 1}
_SECRETS = frozenset(
    {
        "s3AccessKey",
        "s3SecretKey",
        "clusterCommunicationKey",
        "subscriberAuthenticationKey",
        "firebaseAccountKeyJSON",
        "apnPrivateKey",
    }
)
_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, Kind.BOOLEAN),
    (int, Kind.INTEGER),
    (float, Kind.NUMBER),
    (list, Kind.LIST),
    (tuple, Kind.LIST),
    (dict, Kind.OBJECT),
)


def kind_of(default: object) -> Kind:
    """The type of a setting with this default."""
    return next((kind for python, kind in _KINDS if isinstance(default, python)), Kind.TEXT)


def _as_json(key: str, default: Any) -> Json:
    if isinstance(default, tuple):
        return list(default)
    value: Json = default
    return int(value) if isinstance(value, float) and key in WHOLE else value


def _acting() -> Iterator[Setting]:
    hints = get_type_hints(AppSettings, include_extras=True)
    for field in msgspec.structs.fields(AppSettings):
        if field.name in OWN or field.name in BOOKKEEPING:
            continue
        yield Setting(
            key=STUN if field.name == "stun_server_uri" else field.encode_name,
            default=_as_json(field.encode_name, field.default),
            kind=kind_of(field.default),
            effect=Effect.ACTS,
            field=field.name,
            nullable=field.default is None,
            secret=is_secret(hints[field.name]),
        )
    yield Setting(
        key=RUNGS_TEXT,
        default="",
        kind=Kind.TEXT,
        effect=Effect.ACTS,
        why="``encoderSettings`` as text: JSON, or height, video and audio bitrate of each rung, between commas.",
    )


def _others() -> Iterator[Setting]:
    groups = [(Effect.STORED, _STORED), (Effect.REFUSED, _REFUSED), (Effect.TOLD, (("", _TOLD),))]
    for effect, rows in groups:
        for why, keys in rows:
            for key, default in keys.items():
                yield Setting(
                    key=key,
                    default=default,
                    kind=kind_of(default),
                    effect=effect,
                    why=why,
                    nullable=default is None,
                    secret=key in _SECRETS,
                    least=_LEAST.get(key),
                )


SETTINGS: Mapping[str, Setting] = {one.key: one for one in sorted((*_acting(), *_others()), key=lambda one: one.key)}
"""Every key that Ant Media's REST has, by its name."""
