"""A bus that is closed while requests go on: none is lost on its way to it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from bus_worlds import NatsWorld

from rillcast.runtime.bus import nats_bus
from rillcast.testing.servers import nats_server


class Ask(msgspec.Struct, frozen=True):
    """A request, and its answer."""

    text: str


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for what is under way, however busy the machine is."""
    monkeypatch.setattr(nats_bus, "_FINISH_S", 30.0)


async def echo(request: Ask) -> Ask:
    await asyncio.sleep(0.02)
    return request


async def test_a_closing_member_of_a_group_loses_no_request() -> None:
    async with nats_server() as server:
        world = NatsWorld(server)
        await world.open()
        await world.near.serve("rc.v1.test.echo", Ask, echo, queue="test")
        begun = asyncio.Event()

        async def tell_and_echo(request: Ask) -> Ask:
            begun.set()
            return await echo(request)

        await world.far.serve("rc.v1.test.echo", Ask, tell_and_echo, queue="test")

        async def ask(turns: int) -> None:
            for i in range(turns):
                await world.near.request("rc.v1.test.echo", Ask(str(i)), Ask, timeout_s=30)

        asking = [asyncio.create_task(ask(20)) for _ in range(8)]
        await begun.wait()
        await world.close_far()

        await asyncio.gather(*asking)
        await world.close()


async def test_a_handler_under_way_may_finish() -> None:
    async with nats_server() as server:
        world = NatsWorld(server)
        await world.open()
        begun = asyncio.Event()

        async def slow(request: Ask) -> Ask:
            begun.set()
            await asyncio.sleep(0.1)
            return request

        await world.far.serve("rc.v1.test.slow", Ask, slow)
        asked = asyncio.create_task(world.near.request("rc.v1.test.slow", Ask("x"), Ask, timeout_s=30))
        await begun.wait()
        await world.close_far()

        assert await asked == Ask("x")
        await world.close()


async def test_closing_is_in_order_when_the_server_was_lost_a_moment_before() -> None:
    """nats-py's own tasks then wait for the transport's end, and are cancelled in it."""
    async with nats_server() as server:
        world = NatsWorld(server)
        await world.open()
        transport = world.connections[0].client._transport
        assert transport is not None
        waiting = asyncio.ensure_future(transport.wait_closed())  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)
        waiting.cancel()

        await world.close()

        assert not world.near.connected
