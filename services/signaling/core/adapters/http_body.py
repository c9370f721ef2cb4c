"""Request bodies, bounded in size and time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request


class BodyRefused(Exception):
    """The body is too large, too slow, broken off or compressed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def read_body(request: Request, most: int, timeout_s: float = 10.0) -> bytes:
    """The whole body. Raises `BodyRefused` with the status and the words for the client, also for a body that is
    compressed, since its bound is that of what it holds."""
    coding = request.headers.get("content-encoding", "").strip()
    if coding.lower() not in ("", "identity"):
        raise BodyRefused(415, f"the body is sent with Content-Encoding {coding[:20]!a}; only identity is taken")
    announced = request.headers.get("content-length", "0")
    too_large = BodyRefused(413, f"the body may have at most {most} bytes")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
    except TimeoutError as error:
        raise BodyRefused(408, "the body did not arrive in time") from error
    except ClientDisconnect as error:
        raise BodyRefused(400, "the body was broken off") from error
    return bytes(body)


def has_body(request: Request) -> bool:
    """Whether a body comes with the request, as its head says."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def media_type(request: Request) -> str:
    """The content type without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
