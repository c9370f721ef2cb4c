"""The pulse of the bus on a clock that tests turn, and its keeper with a server that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.bus import pulse as pulse_module
from rillcast.runtime.bus.pulse import ABANDONED_S, MOST_SILENT_S, SILENT_S, Pulse
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pulse(clock: FakeClock) -> Pulse:
    return Pulse(clock)


def test_nothing_is_heard_before_the_first_answer(pulse: Pulse) -> None:
    assert pulse.hearing == 0
    assert not pulse.stalled


def test_answers_in_time_are_one_time_of_hearing(pulse: Pulse, clock: FakeClock) -> None:
    for _ in range(10):
        pulse.answered()
        clock.advance(SILENT_S)
        assert pulse.hearing == 1


def test_silence_is_a_stall_and_the_next_answer_begins_another_time(pulse: Pulse, clock: FakeClock) -> None:
    pulse.answered()
    clock.advance(SILENT_S + 0.1)
    assert pulse.hearing == 0
    assert pulse.stalled
    pulse.answered()
    assert pulse.hearing == 2
    assert not pulse.stalled


def test_an_interruption_that_nobody_looked_at_counts_all_the_same(pulse: Pulse, clock: FakeClock) -> None:
    pulse.answered()
    clock.advance(60)
    pulse.answered()
    assert pulse.hearing == 2


def test_a_lost_connection_is_no_stall(pulse: Pulse, clock: FakeClock) -> None:
    pulse.answered()
    pulse.lost()
    clock.advance(60)
    assert pulse.hearing == 0
    assert not pulse.stalled
    pulse.answered()
    assert pulse.hearing == 2


def test_a_quick_reconnect_begins_another_time(pulse: Pulse) -> None:
    pulse.answered()
    pulse.lost()
    pulse.answered()
    assert pulse.hearing == 2


@pytest.mark.parametrize(("took_s", "limit_s"), [(0.01, SILENT_S), (1.0, 2.0), (60.0, MOST_SILENT_S)])
def test_on_a_slow_link_answers_may_take_longer(pulse: Pulse, clock: FakeClock, took_s: float, limit_s: float) -> None:
    pulse.answered(took_s)
    clock.advance(limit_s)
    assert pulse.hearing == 1
    clock.advance(0.01)
    assert pulse.hearing == 0


async def test_who_asks_a_stalled_bus_waits_for_the_next_answer(pulse: Pulse, clock: FakeClock) -> None:
    pulse.answered()
    clock.advance(60)
    assert not await pulse.heard_within(0.0)
    waiting = asyncio.create_task(pulse.heard_within(60))
    await asyncio.sleep(0)
    pulse.answered()
    assert await waiting


async def test_who_asks_a_bus_that_is_gone_does_not_wait(pulse: Pulse) -> None:
    pulse.answered()
    pulse.lost()
    assert not await pulse.heard_within(60)


class Server:
    """Answers pings one by one, when it is told to."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[None]] = []
        self.abandoned = 0

    def ping(self) -> asyncio.Future[None]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def abandon(self) -> None:
        self.abandoned += 1

    async def question(self, number: int) -> asyncio.Future[None]:
        await eventually(lambda: len(self.asked) >= number, what=f"ping {number}")
        return self.asked[number - 1]


@asynccontextmanager
async def kept(pulse: Pulse, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(pulse_module, "BEAT_S", 0.01)
    server = Server()
    pulse.answered()
    keeper = asyncio.create_task(pulse.keep(server.ping, server.abandon))
    try:
        yield server
    finally:
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper


async def test_a_server_that_does_not_answer_is_asked_once(
    pulse: Pulse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(pulse, monkeypatch) as server:
        first = await server.question(1)
        clock.advance(60)
        await eventually(lambda: metrics.BUS_STALLED._value.get() == 1, what="the stall being shown")
        assert server.asked == [first]
        first.set_result(None)
        await eventually(lambda: pulse.hearing == 2, what="the bus being heard again")
        await eventually(lambda: metrics.BUS_STALLED._value.get() == 0, what="the end of the stall being shown")
        await server.question(2)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_ping_that_went_with_its_connection_is_no_answer(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    async with kept(pulse, monkeypatch) as server:
        first = await server.question(1)
        pulse.lost()
        if end == "cancelled":
            first.cancel()
        else:
            first.set_exception(ConnectionError("gone"))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert len(server.asked) == 1  # nobody is asked while there is no connection
        pulse.answered()
        await server.question(2)
        assert pulse.hearing == 2


async def test_a_connection_without_an_answer_is_given_up_after_a_while(
    pulse: Pulse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(pulse, monkeypatch) as server:
        first = await server.question(1)
        clock.advance(ABANDONED_S)
        await asyncio.sleep(0.05)
        assert server.abandoned == 0
        clock.advance(0.1)
        await eventually(lambda: server.abandoned > 0, what="the connection being given up")
        pulse.lost()
        first.cancel()
        await eventually(lambda: not pulse._connected, what="the loss")
        given_up = server.abandoned
        await asyncio.sleep(0.05)
        assert server.abandoned <= given_up + 1
