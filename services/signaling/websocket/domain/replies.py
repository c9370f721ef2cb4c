"""Frames to clients of the Ant Media WebSocket protocol, exactly as its SDKs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError

JsonValue = str | int | bool | Mapping[str, str] | Sequence[Mapping[str, str | int]] | Sequence[str]

WAITING_INFORMATION = "stream_not_exist_or_not_streaming"
"""Makes the web player wait for ``streaming_started`` instead of trying its next technology."""

_TO_CLIENT = {
    ErrorCode.NO_NODE_AVAILABLE: ErrorCode.HIGH_RESOURCE_USAGE,
    ErrorCode.SEAT_REFUSED: ErrorCode.HIGH_RESOURCE_USAGE,
    ErrorCode.UNKNOWN_SESSION: ErrorCode.SERVER_ERROR,
    ErrorCode.BAD_REQUEST: ErrorCode.SERVER_ERROR,
    ErrorCode.UNKNOWN_APP: ErrorCode.NOT_INITIALIZED_YET,
}
"""Codes that no Ant Media client knows, and what comes nearest."""
_WITHOUT_WORDS = frozenset({ErrorCode.NO_STREAM_NAME, ErrorCode.INVALID_STREAM_NAME})


def frame(command: str, **fields: JsonValue) -> str:
    """A frame as it goes over the wire."""
    return msgspec.json.encode({"command": command, **fields}).decode()


PONG = frame("pong")
SERVER_WILL_STOP = frame("notification", definition="server_will_stop")


def notification(definition: str, stream: str, **fields: JsonValue) -> str:
    """A notification about a stream."""
    return frame("notification", definition=definition, streamId=stream, **fields)


def error(failure: RillcastError, stream: str = "", **more: JsonValue) -> str:
    """A refusal. ``information`` says in words what ``definition`` says in code, but for names of streams, of which
    Ant Media says no more. `more`: further fields."""
    definition = _TO_CLIENT.get(failure.code, failure.code)
    fields: dict[str, JsonValue] = {"definition": definition.value}
    if failure.code not in _WITHOUT_WORDS:
        fields["information"] = failure.message
    if stream:
        fields["streamId"] = stream
    return frame("error", **fields, **more)


def no_stream(stream: str) -> str:
    """The answer to `play` of a stream that isn't live; the viewer is on the waiting list."""
    return frame(
        "error",
        definition=ErrorCode.NO_STREAM_EXIST.value,
        error_code="404",
        streamId=stream,
        information=WAITING_INFORMATION,
    )


def no_stream_info(stream: str) -> str:
    """The answer to a question about a stream that isn't live; nobody waits for anything."""
    return frame("error", definition=ErrorCode.NO_STREAM_EXIST.value, error_code="404", streamId=stream)


def start(stream: str, subscriber: str) -> str:
    """The publisher may send its offer."""
    return frame("start", streamId=stream, subscriberId=subscriber)


def configuration(stream: str, kind: str, sdp: str, id_mapping: dict[str, str], subscriber: str) -> str:
    """A description: `kind` is ``offer`` or ``answer``."""
    return frame(
        "takeConfiguration",
        streamId=stream,
        type=kind,
        sdp=sdp,
        idMapping=id_mapping,
        linkSession="",
        subscriberId=subscriber,
    )
