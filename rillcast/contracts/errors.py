"""Errors that one process reports to another, and to clients.

The codes are Ant Media's own definitions wherever Ant Media has one for the case.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.contracts.fields import DurationS, Text


class ErrorCode(StrEnum):
    """What went wrong. The value is what an Ant Media client receives as ``definition``."""

    NOT_INITIALIZED_YET = "not_initialized_yet"
    """The app does not exist, or is not ready. Ant Media's clients receive this in place of `UNKNOWN_APP`."""
    NO_STREAM_NAME = "noStreamNameSpecified"
    """The client named no stream."""
    INVALID_STREAM_NAME = "invalidStreamName"
    """The stream's name is too long or holds characters that are not allowed (see `ids.is_stream_id`)."""
    NO_STREAM_EXIST = "no_stream_exist"
    """The stream is not live. A WebSocket client that asked to play it is told when it begins."""
    STREAM_ID_IN_USE = "streamIdInUse"
    """Somebody else publishes under this stream id, and the client may not take the stream over."""
    ALREADY_PUBLISHING = "already_publishing"
    """The same socket publishes this stream already."""
    ALREADY_PLAYING = "already_playing"
    """The same socket plays this stream already, or the same session is being opened at this moment."""
    UNAUTHORIZED = "unauthorized_access"
    """The token is missing, wrong, expired or for something else."""
    NOT_ALLOWED_UNREGISTERED = "not_allowed_unregistered_streams"
    """The app takes only streams that were created by REST before."""
    STREAM_NOT_ACTIVE = "stream_not_active_or_expired"
    """The time in which the stream may be published has not begun, or is over."""
    USER_BLOCKED = "user_blocked"
    """An operator has blocked the subscriber that the client says it is."""
    VIEWER_LIMIT_REACHED = "viewerLimitReached"
    """The app has as many viewers as its settings allow."""
    HIGH_RESOURCE_USAGE = "highResourceUsage"
    """A node, or the whole cluster, is full. It makes sense to try again after the time given."""
    PUBLISH_TIMEOUT = "publishTimeoutError"
    """No connection came about, or no media arrived, within the app's start timeout."""
    NO_COMMON_CODEC = "no_codec_enabled_in_the_server"
    """The client and the stream (or, for a publisher, the server) have no codec in common that the app has not switched
    off."""
    BAD_REMOTE_DESCRIPTION = "notSetRemoteDescription"
    """The client's session description is broken, or its DTLS handshake failed."""
    BAD_LOCAL_DESCRIPTION = "notSetLocalDescription"
    """Ant Media's code for a session description that the server cannot make. Nothing here raises it yet."""
    MISSING_PARAMETER = "missingParameter"
    """A field that the command needs is missing, or has a value that means nothing; the sentence names it."""
    PARAMETER_TOO_LONG = "parameter_too_long"
    """A field is longer than what is kept of it; the sentence names it, and how long it may be."""
    NO_SUCH_TRACK = "track_not_found"
    """The client names a track that the stream does not have. A stream has one, whose id is that of the stream."""
    ROOMS_NOT_SUPPORTED = "conference_rooms_not_supported"
    """The client wants to join a conference room, or to publish or play in one. Nobody would meet anybody there."""
    NO_ROOM_NAMED = "no_room_specified"
    """The client named no room."""
    NO_STREAMS_IN_ROOM = "no_active_streams_in_room"
    """Nobody publishes in the room."""
    PEER_TO_PEER_NOT_SUPPORTED = "peer_to_peer_not_supported"
    """The client wants to be connected with another client, without media nodes between them."""
    NO_PEER = "no_peer_associated_before"
    """A message for the other peer of a call between two clients. Here nobody has such a peer."""
    DATA_CHANNELS_NOT_SUPPORTED = "data_channels_not_supported"
    """The client wants to publish neither video nor audio, but data alone."""
    STORE_UNAVAILABLE = "data_store_not_available"
    """The key-value store did not answer, refused the write, or holds something unusable."""
    LICENSE_SUSPENDED = "license_suspended_please_renew_license"
    """The license has ended and so has its grace time: no new publish or play, no new seat."""
    SERVER_ERROR = "server_error_check_logs"
    """A fault on our side. The log of the node that answered says more."""
    # Not seen by Ant Media clients:
    UNKNOWN_APP = "unknown_app"
    """There is no app with this name."""
    UNKNOWN_SESSION = "unknown_session"
    """The node has no such session; it may have ended a moment ago."""
    BAD_REQUEST = "bad_request"
    """The request cannot be understood, or asks for something that is not possible."""
    NO_NODE_AVAILABLE = "no_node_available"
    """No node of the kind that is needed is ready, or the node that has the stream does not answer."""
    SEAT_REFUSED = "seat_refused"
    """The license has no free seat for this node, or another process took the seat over."""

    @classmethod
    def _missing_(cls, value: object) -> ErrorCode:
        """A code that only a newer version knows: something was refused all the same."""
        return cls.SERVER_ERROR


_QUOTES = frozenset(
    {
        ErrorCode.BAD_REMOTE_DESCRIPTION,
        ErrorCode.NO_COMMON_CODEC,
        ErrorCode.BAD_REQUEST,
        ErrorCode.NO_SUCH_TRACK,
        ErrorCode.NO_STREAM_NAME,
        ErrorCode.INVALID_STREAM_NAME,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.UNKNOWN_APP,
        ErrorCode.NOT_INITIALIZED_YET,
    }
)
"""Codes of refusals whose sentence may quote the client, so that it finds its fault."""


BY_THE_CLUSTER = frozenset(
    {
        ErrorCode.PUBLISH_TIMEOUT,
        ErrorCode.BAD_LOCAL_DESCRIPTION,
        ErrorCode.STORE_UNAVAILABLE,
        ErrorCode.SERVER_ERROR,
        ErrorCode.NO_NODE_AVAILABLE,
        ErrorCode.SEAT_REFUSED,
    }
)
"""Codes of what goes wrong although the client may be as good as any. All others it brings about by what it asks for,
or by how often."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as it travels on the bus."""

    code: ErrorCode
    message: Text
    """A sentence for a human that names what was wrong. Never holds tokens or SDP bodies."""
    retry_after_s: DurationS | None = None


class RillcastError(Exception):
    """Raised inside a process for the peer's or the cluster's fault; becomes a `Failure` at the border."""

    def __init__(self, code: ErrorCode, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def loggable(self) -> str:
        """What may stand in a log line: the sentence, or the code alone where the sentence may quote the client. The
        client gets the sentence in any case."""
        return self.code.value if self.code in _QUOTES else self.message

    def failure(self) -> Failure:
        """The refusal in the form in which it travels on the bus."""
        return Failure(code=self.code, message=self.message, retry_after_s=self.retry_after_s)

    @classmethod
    def of(cls, failure: Failure) -> RillcastError:
        """The error to raise for a refusal that came over the bus."""
        return cls(failure.code, failure.message, failure.retry_after_s)
