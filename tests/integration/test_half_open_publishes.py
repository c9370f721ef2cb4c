"""Publishers that ask and never send: of thousands of them, over WHIP and WebSocket, nothing is left: no id, no
session, no source of the media plane and no task.

`RILLCAST_TEST_PUBLISHES` sets another number than a few hundred. On a busy machine with 2 CPUs, 200 take half a minute
and 2000 three minutes; the time limit grows with the number.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port, nats_server
from rillcast.testing.services import ServiceProcess, service_process

PUBLISHES = int(os.environ.get("RILLCAST_TEST_PUBLISHES", "200"))
TIME_LIMIT_S = 120 + 0.25 * PUBLISHES
AT_ONCE = 20
GAUGES = (
    "rillcast_origin_newcomers",
    "rillcast_origin_publishers",
    "rillcast_plane_sessions",
    "rillcast_plane_half_open_sessions",
    "rillcast_plane_sources",
)
START_TIMEOUT_MS = 1_000
OFFER = (Path(__file__).parents[1] / "vectors" / "sdp" / "chromium-156-publish.sdp").read_text()
SDP = {"Content-Type": "application/sdp"}


class Door:
    """The door of a small cluster, whose clients come from many addresses."""

    def __init__(self, port: int, origin: ServiceProcess, connection: NatsConnection) -> None:
        self.url = f"127.0.0.1:{port}"
        self._origin = origin
        self._connection = connection

    async def post(self, number: int, give_up_s: float | None = None) -> int:
        """A WHIP offer; 0 when the client broke it off."""
        transport = httpx.AsyncHTTPTransport(local_address=_address(number))
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=60) as client:
            posting = client.post(f"http://{self.url}/live/whip/{_stream(number)}", content=OFFER, headers=SDP)
            with suppress(TimeoutError):
                async with asyncio.timeout(give_up_s):
                    return (await posting).status_code
        return 0

    async def publish(self, number: int, *, wait: bool) -> None:
        """A WebSocket that sends its offer and is gone, at once or when the answer has come."""
        url = f"ws://{self.url}/live/websocket"
        async with connect(url, proxy=None, open_timeout=60, local_addr=(_address(number), 0)) as socket:
            await socket.send(json.dumps({"command": "publish", "streamId": _stream(number)}))
            await socket.recv()
            offer = {"command": "takeConfiguration", "streamId": _stream(number), "type": "offer", "sdp": OFFER}
            await socket.send(json.dumps(offer))
            if wait:
                await socket.recv()

    async def figure(self, name: str) -> float:
        """A gauge or counter of the origin, over all its labels."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            text = (await client.get(f"{self._origin.admin}/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name]
        return sum(float(value) for _, value in lines)

    async def ids(self) -> list[str]:
        """The streams that are in the store."""
        store = NatsKeyValue(self._connection, subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S)
        await store.open(30)
        found = [await store.get(stream_key(AppName("live"), StreamId(_stream(n)))) for n in range(PUBLISHES)]
        return [_stream(n) for n, entry in enumerate(found) if entry is not None and entry.value is not None]

    async def tasks(self) -> float:
        """That run at the origin on the side, such as one for each lease."""
        return await self.figure("rillcast_background_tasks_running")

    async def left(self) -> dict[str, float]:
        """What there is at the origin, of each kind."""
        return {name: await self.figure(name) for name in GAUGES}

    async def nothing_is_left(self) -> bool:
        left = {name: count for name, count in (await self.left()).items() if count}
        assert not left, left
        return True


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with _cluster(tmp_path) as running:
        yield running


@asynccontextmanager
async def _cluster(folder: Path) -> AsyncIterator[Door]:
    apps = folder / "apps.json"
    apps.write_text(json.dumps({"live": {"webRTCClientStartTimeoutMs": START_TIMEOUT_MS}}))
    async with AsyncExitStack() as stack:
        nats, port = await stack.enter_async_context(nats_server()), free_port()
        await stack.enter_async_context(service_process(NodeKind.LICENSE, folder, nats_url=nats.url))
        origin = await stack.enter_async_context(service_process(NodeKind.ORIGIN, folder, nats_url=nats.url))
        settings = {"nats_url": nats.url, "port": port, "apps_file": apps}
        await stack.enter_async_context(service_process(NodeKind.SIGNALING, folder, **settings))
        connection = NatsConnection(NodeSettings(nats_url=nats.url), "test")
        await connection.open()
        stack.push_async_callback(connection.close)
        running = Door(port, origin, connection)
        await eventually(lambda: _places(running), 60, "an origin that takes publishers", every_s=0.2)
        yield running


async def _places(door: Door) -> bool:
    try:
        return await door.post(0) == 201
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(TIME_LIMIT_S)
async def test_of_publishers_that_never_send_nothing_is_left(door: Door) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    seen: dict[str, float] = dict.fromkeys(GAUGES, 0.0)

    async def one(number: int) -> None:
        async with turn:
            match number % 4:
                case 0:
                    await door.post(number)
                case 1:
                    await door.post(number, give_up_s=0.002 * (number % 7))
                case 2:
                    await door.publish(number, wait=True)
                case _:
                    await door.publish(number, wait=False)

    await eventually(door.nothing_is_left, 30, "the end of the first one", every_s=0.2)
    before, tasks = await door.figure("rillcast_origin_newcomers_ended_total"), await door.tasks()

    async def no_task_more() -> bool:
        return await door.tasks() <= tasks

    async def look() -> None:
        while True:
            for name, value in (await door.left()).items():
                seen[name] = max(seen[name], value)
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    await asyncio.gather(*(one(number) for number in range(PUBLISHES)))
    await cancelled(looking)
    assert {name for name in GAUGES if not seen[name]} <= {"rillcast_origin_publishers"}, "else the looks saw nothing"
    await eventually(door.nothing_is_left, 60, "the end of all newcomers", every_s=0.2)
    await eventually(no_task_more, 60, "the end of all that was done on the side", every_s=0.2)

    assert await door.figure("rillcast_origin_newcomers_ended_total") - before >= PUBLISHES / 2
    assert await door.figure("rillcast_origin_epoch_changes_total") == 0
    assert await door.ids() == []
    assert [await door.post(number) for number in range(0, PUBLISHES, 10)] == [201] * len(range(0, PUBLISHES, 10))


def _stream(number: int) -> str:
    return f"half-open-{number}"


def _address(number: int) -> str:
    """Of this machine's own."""
    return f"127.0.0.{2 + number % 100}"
