"""Events keep their order whoever sends them, and what must not be missed is said again after an interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

import msgspec
import pytest

from rillcast.node import outbox as outbox_module
from rillcast.node.outbox import LOOK_S, MAX_WAITING_EVENTS, REMEMBERED_S, SETTLED_S, Outbox
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import VirtualTimeLoop


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


async def test_an_event_takes_the_place_of_one_that_waits_and_was_the_last() -> None:
    bus = FakeBus()
    outbox = Outbox(bus, lambda: None)
    first, second = Told(1), Told(2)
    outbox.put("rc.v1.test", first)
    outbox.put("rc.v1.test", second, instead_of=first)
    await outbox.flush()
    assert numbers(bus) == [2]


async def test_an_event_that_was_sent_or_has_others_behind_it_stays() -> None:
    bus = FakeBus()
    outbox = Outbox(bus, lambda: None)
    sent, waits = Told(1), Told(3)
    outbox.put("rc.v1.test", sent)
    await outbox.flush()
    outbox.put("rc.v1.test", Told(2), instead_of=sent)
    outbox.put("rc.v1.test", waits)
    outbox.put("rc.v1.test", Told(4))
    outbox.put("rc.v1.test", Told(5), instead_of=waits)
    await outbox.flush()
    assert numbers(bus) == [1, 2, 3, 4, 5]


class Interrupted:
    """An outbox on a bus that goes away and comes back, on a clock that jumps when everybody waits."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.outbox = Outbox(self.bus, lambda: None, asyncio.get_running_loop().time)
        self.running = asyncio.create_task(self.outbox.run())

    async def lose_and_restore(self, *, stalled: bool = False) -> None:
        for gone in (True, False):
            if stalled:
                self.bus.stalled = gone
            else:
                self.bus.connected = not gone
            await asyncio.sleep(2 * LOOK_S)

    async def end(self) -> None:
        await cancelled(self.running)


def in_virtual_time(test: Callable[[Interrupted], Awaitable[None]]) -> Callable[[], None]:
    async def run() -> None:
        setting = Interrupted()
        try:
            await test(setting)
        finally:
            await setting.end()

    @wraps(test)
    def whole() -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    del whole.__wrapped__  # pytest would look for its parameters
    return whole


@in_virtual_time
async def test_what_happens_during_an_outage_is_sent_after_it(setting: Interrupted) -> None:
    setting.bus.connected = False
    setting.outbox.put("rc.v1.test", Told(1))
    await asyncio.sleep(60)
    assert numbers(setting.bus) == []
    setting.bus.connected = True
    await asyncio.sleep(2 * LOOK_S)
    assert numbers(setting.bus) == [1]


@pytest.mark.parametrize("stalled", [False, True], ids=["lost", "stalled"])
def test_an_end_is_said_again_after_an_interruption_and_only_once(stalled: bool) -> None:
    @in_virtual_time
    async def whole(setting: Interrupted) -> None:
        setting.outbox.put("rc.v1.test", Told(1), again=True)
        setting.outbox.put("rc.v1.test", Told(2))
        await asyncio.sleep(1)
        await setting.lose_and_restore(stalled=stalled)
        assert numbers(setting.bus) == [1, 2]
        await asyncio.sleep(SETTLED_S)
        assert numbers(setting.bus) == [1, 2, 1]
        await asyncio.sleep(600)
        assert numbers(setting.bus) == [1, 2, 1]

    whole()


@in_virtual_time
async def test_an_end_that_everybody_heard_long_ago_is_not_said_again(setting: Interrupted) -> None:
    setting.outbox.put("rc.v1.test", Told(1), again=True)
    await asyncio.sleep(REMEMBERED_S + 1)
    await setting.lose_and_restore()
    await asyncio.sleep(2 * SETTLED_S)
    assert numbers(setting.bus) == [1]


@in_virtual_time
async def test_a_long_interruption_does_not_make_ends_forgotten(setting: Interrupted) -> None:
    setting.outbox.put("rc.v1.test", Told(1), again=True)
    await asyncio.sleep(1)
    setting.bus.stalled = True
    await asyncio.sleep(10 * REMEMBERED_S)
    setting.bus.stalled = False
    await asyncio.sleep(2 * SETTLED_S)
    assert numbers(setting.bus) == [1, 1]


@in_virtual_time
async def test_a_second_interruption_puts_it_off_until_the_bus_has_settled(setting: Interrupted) -> None:
    setting.outbox.put("rc.v1.test", Told(1), again=True)
    await asyncio.sleep(1)
    for _ in range(3):
        await setting.lose_and_restore(stalled=True)
    assert numbers(setting.bus) == [1]
    await asyncio.sleep(SETTLED_S)
    assert numbers(setting.bus) == [1, 1]


@in_virtual_time
async def test_what_is_remembered_is_bounded(setting: Interrupted) -> None:
    for number in range(MAX_WAITING_EVENTS + 10):
        setting.outbox.put("rc.v1.test", Told(number), again=True)
    assert len(setting.outbox._remembered) == MAX_WAITING_EVENTS
