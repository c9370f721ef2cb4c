"""How messages look on the bus: JSON bodies, answers ``{"ok": …}`` or ``{"failure": …}``, and headers beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, Failure, RillcastError
from rillcast.contracts.fields import MAX_TEXT, DurationS, Text
from rillcast.contracts.version import PROTOCOL_VERSION, UNSAID_VERSION
from rillcast.runtime.errors import RequestOutcome, Unanswered

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_CONCURRENT = 1_000
"""Requests of one subject in work at once; more are refused."""
MAX_WAITING_EVENTS = 10_000
"""Events of one subject waiting for their handler; more are dropped and counted."""
RETRY_AFTER_S = 2.0

DEADLINE_HEADER = "Rc-Deadline"
"""Milliseconds the asker still waits, as it sent the request."""
ID_HEADER = "Rc-Id"
"""Names one request in logs and traces of both sides."""
PROTOCOL_HEADER = "Rc-Protocol"
"""The version of the protocol in which a request, an answer or an event is written."""
_OURS = str(PROTOCOL_VERSION)


class EventDrop(StrEnum):
    """Why an event was not sent, or not taken in: the labels of ``rillcast_bus_events_dropped_total``."""

    DISCONNECTED = "disconnected"
    TOO_LARGE = "too_large"
    """Or not to be encoded."""
    UNDECODABLE = "undecodable"
    ERROR = "error"
    """The handler of the event has a bug, which is in the log."""
    SLOW = "slow"
    """Too many wait for their handler."""
    VERSION = "version"
    """The sender speaks another version of the protocol."""
    SENDER = "sender"
    """It has a reply subject, so no node has sent it."""


Message = TypeVar("Message", bound=msgspec.Struct)


class _Answer(msgspec.Struct, omit_defaults=True):
    ok: msgspec.Raw = msgspec.Raw()
    failure: msgspec.Raw = msgspec.Raw()


class _LooseFailure(msgspec.Struct):
    """A failure of a newer version, whose code this one may not know."""

    code: str = ""
    message: Text = ""
    retry_after_s: DurationS | None = None


_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The body of a request or event. Raises `RillcastError(BAD_REQUEST)` beyond 1 MiB, and for values that JSON can't
    carry, such as half a surrogate pair. TypeError for a type that it can't carry, which is a bug."""
    try:
        body = _encoder.encode(message)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RillcastError(ErrorCode.BAD_REQUEST, f"{type(message).__name__} can't be encoded: {error}") from error
    if len(body) > MAX_MESSAGE_BYTES:
        raise RillcastError(
            ErrorCode.BAD_REQUEST,
            f"{type(message).__name__} of {len(body)} bytes is larger than the {MAX_MESSAGE_BYTES} allowed",
        )
    return body


def decode(body: bytes, kind: type[Message]) -> Message:
    """The message that `encode` made these bytes of. Raises `Undecodable`, with the name of the field that is wrong."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise Undecodable(f"{kind.__name__} of {len(body)} bytes is too large")
    return _decoded(body, kind, f"a {kind.__name__}")


def encode_ok(answer: msgspec.Struct) -> bytes:
    """A good answer; one that is too large becomes a failure, since the asker waits for something."""
    body = b'{"ok":' + _encoder.encode(answer) + b"}"
    if len(body) > MAX_MESSAGE_BYTES:
        return encode_failure(
            Failure(
                code=ErrorCode.SERVER_ERROR, message=f"the {type(answer).__name__} is too large ({len(body)} bytes)"
            )
        )
    return body


def encode_failure(failure: Failure) -> bytes:
    """The body of an answer that refuses the request. A message that is too long for a `Failure` is cut."""
    shorter = msgspec.structs.replace(failure, message=failure.message[:MAX_TEXT])
    return b'{"failure":' + _encoder.encode(shorter) + b"}"


def decode_answer(body: bytes, kind: type[Message]) -> Message:
    """The good answer. Raises `RillcastError` as the other side refused, `Undecodable` for anything else."""
    answer = decode_parts(body)
    if answer.failure:
        raise RillcastError.of(_known_failure(bytes(answer.failure)))
    if not answer.ok:
        raise Undecodable("an answer with neither ok nor failure")
    return decode(bytes(answer.ok), kind)


def decode_parts(body: bytes) -> _Answer:
    """The two halves of an answer, one of which is empty, not decoded yet. Raises `Undecodable`."""
    return _decoded(body, _Answer, "an answer")


def _known_failure(body: bytes) -> Failure:
    loose = _decoded(body, _LooseFailure, "a failure")
    try:
        code = ErrorCode(loose.code)
    except ValueError:
        code = ErrorCode.SERVER_ERROR
    return Failure(code=code, message=loose.message, retry_after_s=loose.retry_after_s)


def _decoded(body: bytes, kind: type[Message], name: str) -> Message:
    try:
        return decode_json(body, kind)
    except Undecodable as error:
        raise Undecodable(f"not {name}: {error}") from error


def nobody(subject: str, why: str, outcome: RequestOutcome) -> Unanswered:
    """The error for a request that nobody answered. `why` goes into its message, and it makes sense to try again."""
    return Unanswered(f"no answer on {label(subject)}: {why}", outcome, RETRY_AFTER_S)


def remaining_s(headers: dict[str, str] | None) -> float | None:
    """What `DEADLINE_HEADER` says in seconds; None when it is missing or nonsense."""
    text = (headers or {}).get(DEADLINE_HEADER, "")
    return int(text) / 1_000 if text.isascii() and text.isdigit() and len(text) < 10 else None


def protocol_of(headers: Mapping[str, str] | None) -> int:
    """The version that `PROTOCOL_HEADER` says: that of nodes which do not say so when it is missing, 0 for nonsense."""
    text = headers.get(PROTOCOL_HEADER) if headers else None
    if text == _OURS:
        return PROTOCOL_VERSION
    if text is None:
        return UNSAID_VERSION
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def other_version(theirs: int, ours: int = PROTOCOL_VERSION) -> str:
    """Why two nodes can't work together."""
    return f"this node speaks version {ours} of the protocol between nodes, and the other side version {theirs}"


_LABEL = re.compile(r"[a-z][a-z0-9]*\.v[0-9]+\.[a-z_]+(\.[a-z_]+)?(?=$|\.)")


@lru_cache(1_024)
def label(subject: str) -> str:
    """A subject without ids, so that it can be a metric label: ``rc.v1.edge.play.<node>`` → ``edge.play``."""
    match = _LABEL.match(subject)
    return match.group(0).split(".", 2)[2] if match else "other"
