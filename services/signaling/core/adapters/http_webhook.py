"""Asks webhooks over HTTP, and tells them things. Only the status of an answer counts; its body is not read."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NoReturn

import httpx
from opentelemetry.trace import SpanKind, StatusCode

from rillcast.runtime.telemetry.tracing import tracer
from services.signaling.core.adapters.guarded_network import GuardedNetwork, GuardedTransport
from services.signaling.core.domain.region import IpNetwork

CONNECT_S, READ_S = 2.0, 5.0
"""Ant Media's."""
LONGEST_S = 10.0
"""For a whole request: a receiver that sends its answer byte by byte keeps nobody longer."""
MAX_CONNECTIONS = 200
ALLOWED = 200
BAD = 400
trace = tracer("rillcast.signaling")


class HttpWebhook:
    """`ports.Webhook`. One per signaling instance. Follows no redirect and uses no proxy of the environment."""

    def __init__(self, refused: tuple[IpNetwork, ...] = ()) -> None:
        """`refused`: networks to which nothing is sent."""
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=30.0)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S, pool=CONNECT_S),
            transport=GuardedTransport(GuardedNetwork(refused), limits),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "rillcast"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none: receivers of several apps share this
        )

    async def allows(self, url: str, question: bytes, headers: dict[str, str] | None = None) -> bool:
        """Whether it says yes, by the status 200. Raises OSError when there is no answer."""
        return await self.post(url, question, {"Content-Type": "application/json"} | (headers or {})) == ALLOWED

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer. Raises OSError when there is none, or nothing may be sent there."""
        with trace.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=_said(url)) as span:
            try:
                async with (
                    asyncio.timeout(LONGEST_S),
                    self._http.stream("POST", url, content=body, headers=headers) as got,
                ):
                    span.set_attribute("http.response.status_code", got.status_code)
                    if got.status_code >= BAD:
                        span.set_status(StatusCode.ERROR, str(got.status_code))
                    return got.status_code
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise OSError(f"no answer: {type(error).__name__}") from error

    async def keep_open(self) -> NoReturn:
        """Until cancelled; then every connection is closed."""
        async with self._http:
            await asyncio.Event().wait()
        raise AssertionError("it ends by being cancelled")


def _said(url: str) -> dict[str, str | int]:
    """Of the receiver its host alone: paths and queries of webhooks may be secrets."""
    said: dict[str, str | int] = {"http.request.method": "POST"}
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return said
    if parts.port is not None:
        said["server.port"] = parts.port
    return said | {"server.address": parts.host}
