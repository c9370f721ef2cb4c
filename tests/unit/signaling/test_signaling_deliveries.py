"""The queue of webhooks: what is put in while the store is away, and what is given up instead of sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.hook_records import DueHook
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.permissions import QUEUES
from rillcast.contracts.records import AppSettings
from rillcast.testing.eventually import eventually
from rillcast.testing.queue import FakeQueue
from services.signaling.hooks.domain.lines import LANES, line_of, pause_s, receiver_of
from services.signaling.hooks.usecases import outbox as outbox_module
from services.signaling.hooks.usecases.deliveries import Deliveries
from services.signaling.hooks.usecases.outbox import Outbox
from tests.unit.signaling.fake_nodes import LIVE

URL = "http://192.0.2.80/hook"
NOW_S = 1_800_000_000.0


class Site:
    """A queue, an app and a receiver."""

    def __init__(self) -> None:
        self.queue = FakeQueue(QUEUES[0])
        self.first = True
        self.posted: list[bytes] = []
        self.answer: int | OSError = 200
        self.retries = 0
        self.outbox = Outbox(self.queue, self, self, lambda: None)
        self.deliveries = Deliveries(
            self.queue,
            self,
            self,
            is_first=lambda: self.first,
            clock=asyncio.get_running_loop().time,
            wall_clock=lambda: NOW_S,
        )

    def settings(self, app: AppName) -> AppSettings | None:
        return AppSettings(app_name=app, webhook_retry_count=self.retries, webhook_retry_delay=1)

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        return None

    def of_app(self, app: AppName) -> tuple[KeptBroadcast, ...]:
        return ()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        self.posted.append(body)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.deliveries.run())
            yield
            running.cancel()

    async def empty(self) -> None:
        async def is_empty() -> bool:
            return await self.queue.lines() == {}

        await eventually(is_empty, 5.0, "nothing waits")


def hook(name: str = "a", at_ms: int = int(NOW_S * 1_000), **fields: str) -> DueHook:
    return DueHook(id=name, app=LIVE, url=URL, at_ms=at_ms, fields={"action": "liveStreamStarted"} | fields)


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("rillcast_signaling_hooks_dropped_total", {"reason": reason}) or 0.0


async def test_an_event_that_is_an_hour_old_is_given_up() -> None:
    site, before = Site(), dropped("expired")
    await site.outbox.put(hook(at_ms=int(NOW_S * 1_000) - 3_600_001), about="s1")
    async with site.delivering():
        await site.empty()
    assert site.posted == []
    assert dropped("expired") - before == 1


async def test_what_makes_no_sense_is_given_up_and_the_next_is_sent() -> None:
    site, before = Site(), dropped("unreadable")
    await site.queue.put(line_of(URL, "s1"), b"nonsense", name="x")
    await site.outbox.put(hook(), about="s1")
    async with site.delivering():
        await site.empty()
    assert len(site.posted) == 1
    assert dropped("unreadable") - before == 1


async def test_a_receiver_for_whom_too_many_wait_loses_the_newest() -> None:
    site, before = Site(), dropped("full")
    for number in range(QUEUES[0].most_in_line + 1):
        await site.outbox.put(hook(f"{number}"), about="s1")
    assert dropped("full") - before == 1


async def test_the_largest_event_fits() -> None:
    site, worst = Site(), "\x01" * 16_384
    largest = hook(streamName=worst, metadata=worst, subscriberId=worst)
    assert msgspec.json.decode(msgspec.json.encode(largest), type=DueHook) == largest
    await site.outbox.put(largest, about="s1")
    async with site.delivering():
        await site.empty()
    assert len(site.posted) == 1


async def test_only_the_first_instance_delivers() -> None:
    site = Site()
    site.first = False
    await site.outbox.put(hook(), about="s1")
    async with site.delivering():
        site.deliveries.wake()
        await asyncio.sleep(0)
        assert site.posted == []
        site.first = True
        await site.empty()


@pytest.mark.parametrize("answer", [500, 201, 302, OSError("nobody there")])
async def test_anything_but_200_is_a_failure(answer: int | OSError) -> None:
    site, before = Site(), dropped("gave_up")
    site.answer, site.retries = answer, 3
    await site.outbox.put(hook(), about="s1")
    async with site.delivering():
        await site.empty()
    assert len(site.posted) == 4
    assert dropped("gave_up") - before == 1


async def test_events_wait_here_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "RETRY_S", 0.01)
    monkeypatch.setattr(outbox_module, "MAX_LATE", 2)
    site, before = Site(), dropped("store")
    site.queue.available = False
    for name in ("a", "b", "c"):
        site.outbox.put_soon(hook(name), about=name)
    assert dropped("store") - before == 1
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.outbox.run())
        site.queue.available = True

        async def both() -> bool:
            return sum((await site.queue.lines()).values()) == 2

        await eventually(both, 5.0, "what waited is in the queue")
        running.cancel()


def test_a_receiver_has_some_lines_and_each_pause_is_longer() -> None:
    lines = {line_of(URL, f"stream{number}") for number in range(500)}
    assert len(lines) == LANES
    assert len({receiver_of(line) for line in lines}) == 1
    assert receiver_of(line_of("http://192.0.2.81/", "x")) not in {receiver_of(line) for line in lines}
    assert [pause_s(1_000, failures) for failures in (1, 2, 3, 7, 99)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert pause_s(600_000, 5) == 600.0
