"""Carrying out one request from the bus: the same for the real bus and the fake one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import ErrorCode, Failure, RillcastError
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.runtime.bus import envelope
from rillcast.runtime.ports import Request
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


class ServedOutcome(StrEnum):
    """What came of a request to this node: the labels of ``rillcast_bus_served_total``."""

    OK = "ok"
    REFUSED = "refused"
    """The handler has answered with an error."""
    ERROR = "error"
    """The handler has a bug, which is in the log."""
    OVERLOAD = "overload"
    UNDECODABLE = "undecodable"
    DEADLINE = "deadline"
    """It was not carried out in time."""
    VERSION = "version"
    """Who asks speaks another version of the protocol."""
    NO_INBOX = "no_inbox"
    """The answer would go to a subject of the key-value store. It was not looked at."""


OVERLOAD = Failure(
    code=ErrorCode.HIGH_RESOURCE_USAGE,
    message=f"{envelope.MAX_CONCURRENT} requests are in work already",
    retry_after_s=1.0,
)


async def carry_out(
    subject: str,
    body: bytes,
    request: type[Request],
    handler: Callable[[Request], Awaitable[msgspec.Struct]],
    remaining_s: float | None,
    *,
    protocol: int,
) -> tuple[ServedOutcome, bytes]:
    """What came of it, and the answer's body. The handler is cancelled when the asker gives up.
    `protocol`: the version in which the asker speaks. Another one than ours is refused unread, with a code that makes
    the asker try another node. So is a request that nobody waits for any more."""
    if (refusal := _unread(remaining_s, protocol)) is not None:
        return refusal
    try:
        message = envelope.decode(body, request)
    except Undecodable as error:
        log.warning("A request makes no sense", subject=subject, reason=str(error))
        return ServedOutcome.UNDECODABLE, _failure(ErrorCode.BAD_REQUEST, str(error))
    scope = asyncio.timeout(remaining_s)
    try:
        async with scope:
            answer = await handler(message)
        return ServedOutcome.OK, envelope.encode_ok(answer)
    except RillcastError as error:
        trace.get_current_span().set_status(StatusCode.ERROR, error.code.value)
        return ServedOutcome.REFUSED, envelope.encode_failure(error.failure())
    except Exception as error:
        if isinstance(error, TimeoutError) and scope.expired():
            log.warning("A request was not carried out in time", subject=subject, allowed_s=remaining_s)
            return ServedOutcome.DEADLINE, _failure(ErrorCode.SERVER_ERROR, "not carried out in time")
        log.exception("Carrying out a request failed", subject=subject)
        return ServedOutcome.ERROR, _failure(ErrorCode.SERVER_ERROR, "internal error, see this node's log")


def _unread(remaining_s: float | None, protocol: int) -> tuple[ServedOutcome, bytes] | None:
    """The refusal of a request that is not worth reading; None for any other."""
    if protocol != PROTOCOL_VERSION:
        failure = Failure(
            code=ErrorCode.NO_NODE_AVAILABLE,
            message=envelope.other_version(protocol),
            retry_after_s=envelope.RETRY_AFTER_S,
        )
        return ServedOutcome.VERSION, envelope.encode_failure(failure)
    if remaining_s is not None and remaining_s <= 0:
        return ServedOutcome.DEADLINE, _failure(ErrorCode.NO_NODE_AVAILABLE, "its time was over before it began")
    return None


def _failure(code: ErrorCode, message: str) -> bytes:
    return envelope.encode_failure(Failure(code=code, message=message))
