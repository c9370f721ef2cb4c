"""What tests of broadcasts ask of REST again and again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from rillcast.contracts import subjects
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.testing.eventually import within
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster

ROOT = "/live/rest/v2/broadcasts"


async def create(http: httpx.AsyncClient, *streams: str, **fields: Any) -> None:
    for stream in streams:
        answer = await http.post(f"{ROOT}/create", json={"streamId": stream, **fields})
        assert answer.status_code == 200, answer.text


async def show(http: httpx.AsyncClient, stream: str = "s1") -> dict[str, Any]:
    answer = await http.get(f"{ROOT}/{stream}")
    shown: dict[str, Any] = answer.json() if answer.status_code == 200 else {"status": answer.status_code}
    return shown


async def becomes(http: httpx.AsyncClient, status: object, stream: str = "s1") -> None:
    async with within(5, f"{stream} {status}"):
        while (await show(http, stream))["status"] != status:
            await asyncio.sleep(0.01)


async def listed(http: httpx.AsyncClient, query: str = "", page: str = "0/250") -> list[str]:
    return [shown["streamId"] for shown in (await http.get(f"{ROOT}/list/{page}{query}")).json()]


async def end(c: Cluster, stream: str = "s1") -> None:
    await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(LIVE, StreamId(stream)))
