"""What a node tells systemd, datagram by datagram, and when it falls silent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.process.service_manager import ENDING_S, MOST_STATUS, ServiceManager
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import free_port, nats_server
from tests.process.test_node_process import outcome, ready, signal_to, start


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """In place of systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
        taker.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        taker.setblocking(False)
        yield taker


def heard(taker: socket.socket) -> list[str]:
    """All that has come."""
    found = []
    while True:
        try:
            found.append(taker.recv(4_096).decode())
        except BlockingIOError:
            return found


def failures() -> float:
    return float(metrics.SERVICE_MANAGER_FAILED._value.get())


async def test_a_process_says_that_it_is_up_alive_and_going_away(tmp_path: Path) -> None:
    address, said = str(tmp_path / "notify"), list[str]()
    with listening(address) as taker, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTIFY_SOCKET", address)
        patch.setenv("WATCHDOG_USEC", "600000")
        async with nats_server() as nats:
            port = free_port()
            process = await start("0", nats_url=nats.url, admin_port=str(port), drain_timeout_s="7")
            await ready(port)

            def alive_thrice() -> bool:
                said.extend(heard(taker))
                return said.count("WATCHDOG=1") >= 3

            await eventually(alive_thrice, 30, "signs of life")
            signal_to(process, signal.SIGTERM)
            code, _, _ = await outcome(process)
        said += heard(taker)

    assert code == 0
    told = [one for one in said if one != "WATCHDOG=1"]
    assert [one.split("\n")[0] for one in told if "STATUS" not in one.split("\n")[0]] == ["READY=1", "STOPPING=1"]
    assert told[0] == "READY=1\nSTATUS=takes new work"
    assert f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round((7 + ENDING_S) * 1e6)}" in told
    assert "STATUS=takes no new work: draining: this node is going away" in told


async def test_while_the_event_loop_stands_still_there_are_no_signs_of_life(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as taker:
        manager = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000"}, time.monotonic)
        manager.begin()
        await eventually(lambda: heard(taker), 10, "a sign of life")

        time.sleep(0.2)  # noqa: ASYNC251  the loop stands still: that is the matter of the test

        assert heard(taker) == []
        await eventually(lambda: heard(taker), 10, "a sign of life afterwards")
        await manager.close()
        heard(taker)
        manager.status("")
        assert heard(taker) == []


async def test_a_node_that_is_overdue_gives_no_signs_of_life() -> None:
    said: list[bytes] = []
    clock = FakeClock()
    manager = ServiceManager(said.append, watchdog_s=0.006, now=clock)
    manager.begin()
    manager.stopping(5.0)
    clock.advance(5.0 + ENDING_S - 0.1)
    count = len(said)
    await eventually(lambda: len(said) > count, 10, "a sign of life while it drains")

    clock.advance(0.2)
    assert manager._feeding is not None
    async with within(10, "the end of the signs of life"):
        await asyncio.shield(manager._feeding)
    await manager.close()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, False),
        ({"NOTIFY_SOCKET": ""}, False),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, False),
        ({"NOTIFY_SOCKET": "@"}, False),
        ({"NOTIFY_SOCKET": "@rillcast-notify"}, True),
    ],
)
async def test_where_nobody_listens_nobody_is_told(environment: dict[str, str], told: bool) -> None:
    with listening("@rillcast-notify") as taker:
        manager = ServiceManager.of(environment, time.monotonic)
        before = failures()

        manager.ready("")

        assert bool(heard(taker)) is told
        assert failures() == before
    assert environment == {}, "children must not speak in this process's name"


@pytest.mark.parametrize(
    ("watchdog", "feeds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, True),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "-5"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({}, False),
    ],
)
async def test_signs_of_life_are_sent_only_when_they_are_asked_for(watchdog: dict[str, str], feeds: bool) -> None:
    with listening("@rillcast-notify") as taker:
        manager = ServiceManager.of({"NOTIFY_SOCKET": "@rillcast-notify"} | watchdog, time.monotonic)
        manager.begin()
        await asyncio.sleep(0)
        assert heard(taker) == (["WATCHDOG=1"] if feeds else [])
        await manager.close()


def test_what_cannot_be_said_is_counted_and_harms_nobody(tmp_path: Path) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, time.monotonic)
    before = failures()

    manager.ready("")
    manager.status("x")
    manager.stopping(1.0)

    assert failures() == before + 3


def test_a_reason_becomes_one_short_line() -> None:
    said: list[bytes] = []

    ServiceManager(said.append, now=time.monotonic).status("license: no seat\nREADY=1 " + "x" * 5_000)

    assert said[0].count(b"\n") == 0
    assert len(said[0]) == len("STATUS=") + MOST_STATUS
