"""Unit tests can't start a process, open a socket or wait in real time: who tries fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Protocol

import pytest

from rillcast.testing.clock import VirtualTimeLoop


class Watch(Protocol):
    """What `conftest.py` remembers of this test."""

    seen: list[str]


def open_a_socket() -> None:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))


def open_a_connection() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", 9))


TRIES: list[tuple[Callable[[], object], str]] = [
    (open_a_socket, "opens a socket"),
    (open_a_connection, "opens a connection"),
    (lambda: subprocess.run(["true"], check=True), "starts a process"),
    (lambda: time.sleep(0.001), "sleeps in real time"),
]
each_try = pytest.mark.parametrize(("attempt", "sentence"), TRIES, ids=[sentence for _, sentence in TRIES])


@each_try
def test_it_fails_where_it_is_tried(nothing_real: Watch, attempt: Callable[[], object], sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"a unit test {sentence}"):
        attempt()
    nothing_real.seen.clear()


@each_try
def test_it_is_remembered_although_the_code_hides_it(
    nothing_real: Watch, attempt: Callable[[], object], sentence: str
) -> None:
    with contextlib.suppress(AssertionError):
        attempt()

    assert len(nothing_real.seen) == 1
    assert sentence in nothing_real.seen[0]
    nothing_real.seen.clear()


async def test_an_hour_of_waiting_is_virtual() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()

    await asyncio.sleep(3_600)

    assert isinstance(loop, VirtualTimeLoop)
    assert loop.time() >= before + 3_600


async def test_virtual_time_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    soon = loop.call_later(5.0, lambda: None)

    for _ in range(100):
        assert await asyncio.to_thread(sum, range(1_000)) == 499_500

    assert loop.time() == before
    soon.cancel()
