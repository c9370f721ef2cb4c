"""What every `WorkQueue` does: the same tests on the fake and on JetStream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from rillcast.contracts.permissions import BusUser, Queue
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Queued, WorkQueue
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_queue import NatsQueue
from rillcast.testing.queue import FakeQueue
from rillcast.testing.servers import nats_server

ROW = Queue(
    "contract",
    frozenset({BusUser.SIGNALING}),
    most=5,
    most_in_line=3,
    most_bytes=1_000_000,
    most_bytes_each=10_000,
    kept_s=600.0,
)


@pytest.fixture(params=["fake", "jetstream"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[WorkQueue]:
    if request.param == "fake":
        yield FakeQueue(ROW)
        return
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url, connect_timeout_s=30), "test")
        await connection.open()
        made = NatsQueue(connection, ROW)
        await made.open()
        yield made
        await connection.close()


async def test_each_line_is_in_the_order_in_which_it_was_put(queue: WorkQueue) -> None:
    for line, value in (("a", b"1"), ("b", b"2"), ("a", b"3")):
        assert await queue.put(line, value, name=value.decode())
    assert await queue.lines() == {"a": 2, "b": 1}
    first = await queue.first("a")
    assert first is not None
    assert first.value == b"1"
    second = await queue.first("a", first.place)
    assert second is not None
    assert second.value == b"3"
    assert await queue.first("a", second.place) is None
    assert await queue.first("none") is None


async def test_what_is_done_is_gone_and_may_be_done_again(queue: WorkQueue) -> None:
    await queue.put("a", b"1", name="1")
    first = await queue.first("a")
    assert first is not None
    await queue.done(first.place)
    await queue.done(first.place)
    assert await queue.first("a") is None
    assert await queue.lines() == {}


async def test_a_name_is_taken_once_even_after_it_was_done(queue: WorkQueue) -> None:
    assert await queue.put("a", b"1", name="same")
    first = await queue.first("a")
    assert first is not None
    await queue.done(first.place)
    assert await queue.put("a", b"1", name="same")
    assert await queue.first("a") is None


async def test_a_full_line_takes_nothing_and_others_do(queue: WorkQueue) -> None:
    taken = [await queue.put("a", b"x", name=f"a{number}") for number in range(4)]
    assert taken == [True, True, True, False]
    assert await queue.put("b", b"x", name="b")
    oldest = await queue.first("a")
    assert isinstance(oldest, Queued)
    await queue.done(oldest.place)
    assert await queue.put("a", b"x", name="a3")


async def test_a_full_queue_takes_nothing(queue: WorkQueue) -> None:
    taken = [await queue.put(f"line{number}", b"x", name=f"{number}") for number in range(6)]
    assert taken == [True] * 5 + [False]


async def test_what_is_too_large_is_the_callers_fault(queue: WorkQueue) -> None:
    with pytest.raises(ValueError, match="too large"):
        await queue.put("a", b"x" * 10_000, name="large")
    assert await queue.put("a", b"x" * 8_000, name="fits")


async def test_a_queue_takes_over_the_bounds_of_a_newer_version() -> None:
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url, connect_timeout_s=30), "test")
        await connection.open()
        await NatsQueue(connection, ROW).open()
        wider = NatsQueue(connection, replace(ROW, most_in_line=5))
        await wider.open()
        assert all([await wider.put("a", b"x", name=f"{number}") for number in range(5)])
        await connection.close()
