"""The HTTP listener is a task of its node: one that ends by itself is heard of; a client's fault is not one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import uvloop

from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.testing.eventually import eventually

Event = dict[str, Any]


async def app(scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]) -> None:
    """Says nothing."""
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


class Listener:
    """One that is watched by a supervisor."""

    def __init__(self) -> None:
        self.crashed: list[str] = []
        self.supervisor = Supervisor(self.crashed.append)
        self.server = HttpServer(app, bind("127.0.0.1", 0, "PORT"))

    async def start(self) -> None:
        await self.server.start()
        self.supervisor.spawn(self.server.run(), "listener", finite=True)


async def test_a_listener_whose_task_fails_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    await listener.start()

    async def fails(_count: int) -> bool:
        raise ValueError("on purpose")

    monkeypatch.setattr(listener.server._server, "on_tick", fails)
    await eventually(lambda: listener.crashed == ["listener"], what="the crash")
    await listener.server.stop()
    await listener.supervisor.close()


async def test_a_listener_that_returns_by_itself_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    await listener.start()

    async def enough(_count: int) -> bool:
        return True

    monkeypatch.setattr(listener.server._server, "on_tick", enough)
    await eventually(lambda: listener.crashed == ["listener"], what="the crash")
    await listener.server.stop()
    await listener.supervisor.close()


async def test_a_listener_that_is_stopped_is_none() -> None:
    listener = Listener()
    await listener.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{listener.server.port}/")).status_code == 204
    await listener.server.stop()
    await listener.supervisor.close()
    assert listener.crashed == []


def test_a_protocol_that_fails_ends_its_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """What a client sends is read in `data_received`, and no client shall be able to end a node."""
    space: dict[str, object] = {"__name__": "rillcast.runtime.http.last_words", "asyncio": asyncio}
    code = "class Fails(asyncio.Protocol):\n    def data_received(self, data):\n        raise ValueError('on purpose')"
    exec(code, space)
    fails = space["Fails"]
    assert isinstance(fails, type)
    crashed: list[str] = []

    async def run() -> None:
        running = asyncio.get_running_loop()
        with Supervisor(crashed.append).callbacks_watched(running):
            server = await running.create_server(fails, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x")
            assert await reader.read() == b""
            writer.close()
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, caplog.at_level(logging.ERROR, "asyncio"):
        runner.run(run())
    assert crashed == []
    assert "on purpose" in caplog.text
