"""Refusals as HTTP: the status of each `ErrorCode` and the headers that go with it."""

from __future__ import annotations

import math

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.signaling.core.domain.admission_rules import NotFromThere
from services.signaling.core.domain.client_rate import TooOften

_STATUS = {
    ErrorCode.NO_STREAM_NAME: 400,
    ErrorCode.INVALID_STREAM_NAME: 400,
    ErrorCode.BAD_REMOTE_DESCRIPTION: 400,
    ErrorCode.BAD_LOCAL_DESCRIPTION: 500,
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.MISSING_PARAMETER: 400,
    ErrorCode.PARAMETER_TOO_LONG: 400,
    ErrorCode.NO_ROOM_NAMED: 400,
    ErrorCode.UNAUTHORIZED: 403,
    ErrorCode.NOT_ALLOWED_UNREGISTERED: 403,
    ErrorCode.STREAM_NOT_ACTIVE: 403,
    ErrorCode.USER_BLOCKED: 403,
    ErrorCode.LICENSE_SUSPENDED: 403,
    ErrorCode.NO_STREAM_EXIST: 404,
    ErrorCode.NO_SUCH_TRACK: 404,
    ErrorCode.NO_STREAMS_IN_ROOM: 404,
    ErrorCode.NO_PEER: 404,
    ErrorCode.UNKNOWN_APP: 404,
    ErrorCode.UNKNOWN_SESSION: 404,
    ErrorCode.STREAM_ID_IN_USE: 409,
    ErrorCode.ALREADY_PUBLISHING: 409,
    ErrorCode.ALREADY_PLAYING: 409,
    ErrorCode.NO_COMMON_CODEC: 422,
    ErrorCode.ROOMS_NOT_SUPPORTED: 501,
    ErrorCode.PEER_TO_PEER_NOT_SUPPORTED: 501,
    ErrorCode.DATA_CHANNELS_NOT_SUPPORTED: 501,
    ErrorCode.NOT_INITIALIZED_YET: 503,
    ErrorCode.VIEWER_LIMIT_REACHED: 503,
    ErrorCode.HIGH_RESOURCE_USAGE: 503,
    ErrorCode.STORE_UNAVAILABLE: 503,
    ErrorCode.NO_NODE_AVAILABLE: 503,
    ErrorCode.SEAT_REFUSED: 503,
}
DEFAULT_RETRY_AFTER_S = 3.0
NOT_LIVE_RETRY_AFTER_S = 2.0


def status_of(failure: RillcastError, *, credentials_shown: bool = True) -> int:
    """The HTTP status. 401 when nothing was shown that could have been refused."""
    if isinstance(failure, TooOften):
        return 429
    if failure.code is ErrorCode.UNAUTHORIZED and not (credentials_shown or isinstance(failure, NotFromThere)):
        return 401
    return _STATUS.get(failure.code, 500)


def headers_of(failure: RillcastError, status: int) -> dict[str, str]:
    """Retry-After where trying again makes sense; the challenge of a 401."""
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="rillcast"'
    retry_after_s = failure.retry_after_s
    if retry_after_s is None and status == 503:
        retry_after_s = DEFAULT_RETRY_AFTER_S
    if retry_after_s is None and failure.code is ErrorCode.NO_STREAM_EXIST:
        retry_after_s = NOT_LIVE_RETRY_AFTER_S
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    return headers
