"""What the plane tells Python."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.media.protocol.association import SrtpState
from rillcast.media.protocol.figures import Probed, SessionStats, SourceStats, WorkerStats
from rillcast.media.protocol.ids import PlaneRelay, PlaneSession, SourceId


class SessionNominated(msgspec.Struct, frozen=True, kw_only=True, tag="session_nominated"):
    """The peer has chosen a path that has answered: what it sends comes here from now on. Once per session, mostly
    before DTLS is up."""

    session: PlaneSession


class SessionConnected(msgspec.Struct, frozen=True, kw_only=True, tag="session_connected"):
    """ICE and DTLS are up, or a session that was handed over goes on. Once per association."""

    session: PlaneSession
    remote: str
    dtls: str
    """``DTLS 1.2`` or ``DTLS 1.3``"""
    srtp: str
    """``AEAD_AES_128_GCM`` …"""


class SessionExported(msgspec.Struct, frozen=True, kw_only=True, tag="session_exported"):
    """The answer to `ExportSession`, exactly one for each, in their order."""

    session: PlaneSession
    srtp: SrtpState | None
    """None: the session is unknown, not connected, or stopped by an earlier export; or nothing that the peer has sent
    shows as yet that it has the keys, so that it may still need the end of the handshake."""


class SessionMedia(msgspec.Struct, frozen=True, kw_only=True, tag="session_media"):
    """The session's first media packet was sent (viewer) or accepted (publisher)."""

    session: PlaneSession


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

    session: PlaneSession
    reason: CloseReason


class SourceStarted(msgspec.Struct, frozen=True, kw_only=True, tag="source_started"):
    """The first packet of a source has come, or the first one after its feed was changed, or after `SourceSilent`."""

    source: SourceId


class SourceSilent(msgspec.Struct, frozen=True, kw_only=True, tag="source_silent"):
    """No packet of a relayed video has come for half a second; its parent may live all the same. Comes once per
    silence."""

    source: SourceId
    frame_interval_ms: int = 1000
    """The longest time between two of its pictures lately, by the publisher's clock. 1000 before there were some."""


class SourceSwitched(msgspec.Struct, frozen=True, kw_only=True, tag="source_switched"):
    """A viewer's track has gone over to the source that `SwitchSource` named, beginning with a keyframe."""

    session: PlaneSession
    track: int
    source: SourceId


class PathMeasured(msgspec.Struct, frozen=True, kw_only=True, tag="path_measured"):
    """How much the path of a session takes, as `AddSession.measure_path` has asked. Once per session, mostly before
    DTLS is up, and at most two seconds after the peer first answered."""

    session: PlaneSession
    bitrate_bps: int
    """0: the peer has answered too few of the checks to tell."""


class RelayChildSilent(msgspec.Struct, frozen=True, kw_only=True, tag="relay_child_silent"):
    """Parent side: nothing from the child for 0.8 s. Comes once per silence."""

    relay: PlaneRelay


class RelayChildLost(msgspec.Struct, frozen=True, kw_only=True, tag="relay_child_lost"):
    """Parent side: no keep-alive for 10 s; the relay is removed."""

    relay: PlaneRelay


class RelayHeard(msgspec.Struct, frozen=True, kw_only=True, tag="relay_heard"):
    """The plane of a parent answers `LookAtRelay`: it says when it last heard the child."""

    relay: PlaneRelay
    silent_ms: int
    """The time since anything authentic came from the child. One that lives says something each quarter of a second."""


class RelayMeasured(msgspec.Struct, frozen=True, kw_only=True, tag="relay_measured"):
    """Parent side: the child has answered a report, about once a second."""

    relay: PlaneRelay
    rtt_us: int
    """The round trip to the child."""


class RelayParentLost(msgspec.Struct, frozen=True, kw_only=True, tag="relay_parent_lost"):
    """Child side: nothing at all from the parent for 0.4 s (parents with nothing to send say so every 0.1 s). Comes
    once per silence."""

    source: SourceId


class KeyframeWanted(msgspec.Struct, frozen=True, kw_only=True, tag="keyframe_wanted"):
    """A push source should make a keyframe (throttled)."""

    source: SourceId


class ClockSeen(msgspec.Struct, frozen=True, kw_only=True, tag="clock_seen"):
    """A sender report of a tapped source has come. Without any, a guess by the arrival of its packets, each second."""

    source: SourceId
    ntp: int
    rtp_ts: int


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
    SessionNominated
    | SessionConnected
    | SessionExported
    | SessionMedia
    | SessionClosed
    | SourceStarted
    | SourceSilent
    | SourceStats
    | SessionStats
    | SourceSwitched
    | PathMeasured
    | Probed
    | RelayChildLost
    | RelayChildSilent
    | RelayHeard
    | RelayMeasured
    | RelayParentLost
    | KeyframeWanted
    | ClockSeen
    | WorkerStats
    | WorkerFailed
    | Error
)
