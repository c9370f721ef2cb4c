"""Operators who sign in as browsers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.unit.signaling.signaling_harness import PASSWORD, Cluster

__all__ = ["PASSWORD", "add_user", "authenticate", "sign_in"]
AUTHENTICATE = "/rest/v2/users/authenticate"


async def authenticate(http: httpx.AsyncClient, name: str = "admin", password: str = PASSWORD) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.post(AUTHENTICATE, json={"email": name, "password": password})).json()
    return answer


async def add_user(http: httpx.AsyncClient, name: str, **fields: Any) -> None:
    answer = await http.post("/rest/v2/users", json={"email": name, "password": PASSWORD, **fields})
    assert answer.json()["success"], answer.text


@asynccontextmanager
async def sign_in(c: Cluster, name: str = "admin") -> AsyncIterator[httpx.AsyncClient]:
    """A browser with a session."""
    async with c.stranger() as http:
        assert (await authenticate(http, name))["success"]
        yield http
