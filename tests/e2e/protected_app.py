"""An app in which nobody may publish or play without a token, and the tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rillcast.contracts.words import Role
from tests.e2e.cluster import Cluster

APP = "WebRTCAppEE"
SECRET = "of the tests, with at least thirty-two bytes"
OPEN = {
    "publishJwtControlEnabled": False,
    "publishTokenControlEnabled": False,
    "playTokenControlEnabled": False,
}
LIFE_S = 600


@asynccontextmanager
async def protected(running: Cluster, **settings: Any) -> AsyncIterator[None]:
    """These settings until the end of the block."""
    await _set(running, settings)
    try:
        yield
    finally:
        if running.running:
            await _set(running, OPEN)


async def one_time(running: Cluster, stream: str, role: Role) -> str:
    """A one-time token."""
    return await _token(running, stream, "token", role, LIFE_S)


async def jwt(running: Cluster, stream: str, role: Role, life_s: int = LIFE_S) -> str:
    """A signed token, which is good for so long."""
    return await _token(running, stream, "jwt-token", role, life_s)


async def _token(running: Cluster, stream: str, kind: str, role: Role, life_s: int) -> str:
    url = f"{running.base}/{APP}/rest/v2/broadcasts/{stream}/{kind}"
    query = {"expireDate": int(time.time()) + life_s, "type": role.value}
    answer = await running.request("GET", url, params=query)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["tokenId"])


async def _set(running: Cluster, settings: dict[str, Any]) -> None:
    answer = await running.request("POST", f"{running.base}/rest/v2/applications/settings/{APP}", json=settings)
    assert answer.json()["success"], answer.text
