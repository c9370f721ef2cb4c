"""Asks webhooks over HTTP. Only the status of the answer counts; its body is not read."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import httpx

CONNECT_S, READ_S = 2.0, 5.0
"""Ant Media's."""
MAX_CONNECTIONS = 200
ALLOWED = 200


class HttpWebhook:
    """`ports.Webhook`. One per signaling instance. Follows no redirect and uses no proxy of the environment."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S, pool=CONNECT_S),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=30.0),
            follow_redirects=False,
            trust_env=False,
            headers={"Content-Type": "application/json", "User-Agent": "rillcast"},
        )

    async def allows(self, url: str, question: bytes) -> bool:
        """Whether it says yes, by the status 200. Raises OSError when there is no answer."""
        try:
            async with self._http.stream("POST", url, content=question) as answer:
                return answer.status_code == ALLOWED
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise OSError(f"no answer: {type(error).__name__}") from error

    async def keep_open(self) -> NoReturn:
        """Until cancelled; then every connection is closed."""
        async with self._http:
            await asyncio.Event().wait()
        raise AssertionError("it ends by being cancelled")
