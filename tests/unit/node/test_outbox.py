"""Events keep their order whoever sends them, and what must not be missed is said again after an interruption."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rillcast.node import outbox as outbox_module
from rillcast.node.outbox import Outbox
from rillcast.testing.bus import FakeBus


class Told(msgspec.Struct, frozen=True):
    number: int


async def a_few_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class SlowBus(FakeBus):
    """Every other event takes a turn longer to send."""

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        assert isinstance(event, Told)
        if event.number % 2 == 0:
            await a_few_turns()
        await super().emit(subject, event)


def numbers(bus: FakeBus) -> list[int]:
    return [event.number for _, event in bus.emitted]


async def test_events_keep_their_order_when_several_send() -> None:
    bus = SlowBus()
    outbox = Outbox(bus, lambda: None)
    running = asyncio.create_task(outbox.run())
    for number in range(20):
        outbox.put("rc.v1.test", Told(number))
    await asyncio.sleep(0)
    await asyncio.gather(outbox.flush(), outbox.flush())
    assert numbers(bus) == list(range(20))
    running.cancel()


@pytest.mark.parametrize("turns", range(4))
async def test_a_flush_returns_after_what_was_already_under_way(turns: int) -> None:
    bus = SlowBus()
    outbox = Outbox(bus, lambda: None)
    running = asyncio.create_task(outbox.run())
    outbox.put("rc.v1.test", Told(0))
    for _ in range(turns):
        await asyncio.sleep(0)
    await outbox.flush()
    assert numbers(bus) == [0]
    running.cancel()


async def test_a_full_outbox_drops_the_oldest_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_WAITING_EVENTS", 2)
    bus = FakeBus()
    dropped: list[int] = []
    outbox = Outbox(bus, lambda: dropped.append(1))
    for number in range(4):
        outbox.put("rc.v1.test", Told(number))
    await outbox.flush()
    assert (numbers(bus), len(dropped)) == ([2, 3], 2)
