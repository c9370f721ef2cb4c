"""Errors that one process reports to another, and to clients. Codes are Ant Media's wire definitions where one
exists."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ErrorCode(StrEnum):
    """What went wrong. The value is what an Ant Media client receives as ``definition``."""

    NOT_INITIALIZED_YET = "not_initialized_yet"
    NO_STREAM_NAME = "noStreamNameSpecified"
    INVALID_STREAM_NAME = "invalidStreamName"
    NO_STREAM_EXIST = "no_stream_exist"
    STREAM_ID_IN_USE = "streamIdInUse"
    ALREADY_PUBLISHING = "already_publishing"
    ALREADY_PLAYING = "already_playing"
    UNAUTHORIZED = "unauthorized_access"
    NOT_ALLOWED_UNREGISTERED = "not_allowed_unregistered_streams"
    VIEWER_LIMIT_REACHED = "viewerLimitReached"
    HIGH_RESOURCE_USAGE = "highResourceUsage"
    PUBLISH_TIMEOUT = "publishTimeoutError"
    NO_COMMON_CODEC = "no_codec_enabled_in_the_server"
    BAD_REMOTE_DESCRIPTION = "notSetRemoteDescription"
    BAD_LOCAL_DESCRIPTION = "notSetLocalDescription"
    STORE_UNAVAILABLE = "data_store_not_available"
    LICENSE_SUSPENDED = "license_suspended_please_renew_license"
    SERVER_ERROR = "server_error_check_logs"
    # Not seen by Ant Media clients:
    UNKNOWN_APP = "unknown_app"
    UNKNOWN_SESSION = "unknown_session"
    BAD_REQUEST = "bad_request"
    NO_NODE_AVAILABLE = "no_node_available"
    SEAT_REFUSED = "seat_refused"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as it travels on the bus."""

    code: ErrorCode
    message: str
    """A sentence for a human that names what was wrong. Never holds tokens or SDP bodies."""
    retry_after_s: float | None = None


class RillcastError(Exception):
    """Raised inside a process for the peer's or the cluster's fault; becomes a `Failure` at the border."""

    def __init__(self, code: ErrorCode, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def failure(self) -> Failure:
        """The form that travels on the bus."""
        return Failure(code=self.code, message=self.message, retry_after_s=self.retry_after_s)

    @classmethod
    def of(cls, failure: Failure) -> RillcastError:
        """The local form of a refusal received from the bus."""
        return cls(failure.code, failure.message, failure.retry_after_s)
