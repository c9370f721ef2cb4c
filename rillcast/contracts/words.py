"""Closed words: everything that one process says to another and that steers what the other does.

What only people read is free text and has a field of its own; no code compares it.
"""

from __future__ import annotations

from enum import StrEnum


class NodeKind(StrEnum):
    """The five kinds of process."""

    SIGNALING = "signaling"
    ORIGIN = "origin"
    EDGE = "edge"
    TRANSCODER = "transcoder"
    LICENSE = "license"


class Role(StrEnum):
    """What a client does with a stream."""

    PUBLISH = "publish"
    PLAY = "play"


class SubscriberType(StrEnum):
    """What a registered subscriber may do, or what it is blocked from."""

    PUBLISH = "publish"
    PLAY = "play"
    PUBLISH_PLAY = "publish_play"

    def covers(self, role: Role) -> bool:
        """Whether it is about publishing, or playing."""
        return self is SubscriberType.PUBLISH_PLAY or self.value == role.value


class MediaKind(StrEnum):
    """What a track carries."""

    AUDIO = "audio"
    VIDEO = "video"


class SpareCodec(StrEnum):
    """A codec of video whose switch in the settings of an app is false by default."""

    VP8 = "VP8"
    VP9 = "VP9"
    AV1 = "AV1"
    H265 = "H265"


class SessionState(StrEnum):
    """Where a session stands."""

    CONNECTED = "connected"
    """ICE and DTLS are up."""
    MEDIA = "media"
    """The first media packet was received (publisher) or sent (viewer). So the session is connected, which is not
    told apart when both happen in the same moment."""
    CLOSED = "closed"
    """The session is over; the reason says why."""


class DrainAction(StrEnum):
    """What is asked of a node about its drain."""

    BEGIN = "begin"
    """Take nothing new, and move what is here to other nodes until the deadline."""
    CUT = "cut"
    """Wait no longer: whoever is still here is cut off."""
    UNDO = "undo"
    """Take new work again. Who has gone does not come back."""
    LOOK = "look"
    """Only say how far it is."""


class DrainPhase(StrEnum):
    """How far a node is with its drain."""

    NONE = "none"
    """It takes new work."""
    DRAINING = "draining"
    """It takes nothing new, and what is here moves."""
    DRAINED = "drained"
    """Nobody is left, and nobody was cut off. It takes nothing new until its process ends, or the drain is undone."""
    CUT = "cut"
    """The same, but somebody was cut off: the deadline was over, or somebody wanted it so."""


class EndReason(StrEnum):
    """Why a session or a stream ended. A word of a newer version reads as OTHER, so that versions can mix."""

    # the client, or signaling for it
    STOPPED = "stopped"
    """The client or an operator said so."""
    SOCKET_CLOSED = "socket_closed"
    """The client's signaling socket is gone."""
    ABANDONED = "abandoned"
    """The client had given up before the node's answer came."""
    START_TIMEOUT = "start_timeout"
    """The client did not send its part of the negotiation in time."""
    REFUSED = "refused"
    """The node did not take the client's part of the negotiation."""
    NOT_ANSWERED = "not_answered"
    """The node's answer did not come in time, so another node was asked."""

    # the media plane; the values are what `protocol.SessionClosed` says
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    """ICE and DTLS did not finish in time."""
    CONSENT_EXPIRED = "consent_expired"
    """The peer did not answer for 30 s (RFC 7675)."""
    DTLS_CLOSED = "dtls_closed"
    """The peer said goodbye."""
    DTLS_FAILED = "dtls_failed"
    """The DTLS handshake failed."""
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """The peer's certificate is not the one that its session description names."""
    TOO_MANY_HALF_OPEN = "too_many_half_open"
    """Too many sessions of the worker were still in their handshake."""
    REMOVED = "removed"
    """A command of ours removed the session."""
    PLANE_ERROR = "plane_error"
    """The media plane could not open the session: a fault of ours."""

    # the node
    ICE_TIMEOUT = "ice_timeout"
    """The viewer did not connect in the time it had."""
    NO_MEDIA = "no_media"
    """The publisher sent no media in the time it had, or the store did not take the claim of its stream."""
    STREAM_ENDED = "stream_ended"
    """The stream that the viewer watched is over."""
    CODEC_CHANGED = "codec_changed"
    """The stream is no longer there in a codec that was negotiated with this viewer."""
    IN_USE = "in_use"
    """The publisher's media came, but another publisher has the stream."""
    USER_BLOCKED = "user_blocked"
    """An operator blocked the subscriber whose session it was."""
    LIMIT_REACHED = "limit_reached"
    """The client arrived after others had taken its place under a limit of the app or the stream."""
    REPLACED = "replaced"
    """The publisher, or its successor, has the stream in another session."""
    DRAINING = "draining"
    """The node goes away in order: the client is to come back, and another node takes it."""

    OTHER = "other"
    """A reason that this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> EndReason:
        return cls.OTHER


class TryStep(StrEnum):
    """What becomes of a try of a password."""

    BEGUN = "begun"
    """It is about to be looked at, and counts."""
    WRONG = "wrong"
    """It was the wrong password."""
    RIGHT = "right"
    """It was the right one, so it does not count, and former ones are forgiven."""
    UNDONE = "undone"
    """It came to no answer, so it does not count."""


class LicenseState(StrEnum):
    """Whether a license holds."""

    VALID = "valid"
    """The license is in force."""
    GRACE = "grace"
    """The license has ended, but its grace time has not."""
    EXPIRED = "expired"
    """The license has ended, and so has its grace time."""
    NOT_YET_VALID = "not_yet_valid"
    """The license begins later."""
    INVALID = "invalid"
    """The document was refused."""


class LogLevel(StrEnum):
    """What nodes write into their logs, in Ant Media's words."""

    ALL = "ALL"
    """Everything, as with DEBUG."""
    TRACE = "TRACE"
    """Everything, as with DEBUG."""
    DEBUG = "DEBUG"
    """Also what helps to find a fault."""
    INFO = "INFO"
    """What an operator may want to know about, and what is worse."""
    WARN = "WARN"
    """What is wrong, and is being coped with, and what is worse."""
    ERROR = "ERROR"
    """What somebody has to mend."""
    OFF = "OFF"
    """Nothing is written to the log."""
