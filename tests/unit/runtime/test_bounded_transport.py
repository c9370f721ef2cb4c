"""The turns in which one connection is read."""

from __future__ import annotations

import asyncio

from rillcast.runtime.http.transport import LARGE_READ, BoundedTransport


class Wire:
    """Stands in for a connection's real transport, and raises as uvloop's does."""

    def __init__(self) -> None:
        self.reading = True
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert self.reading
        assert not self.closing
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        assert not self.closing
        self.reading = True


def wired() -> tuple[Wire, BoundedTransport]:
    wire = Wire()
    return wire, BoundedTransport(wire, asyncio.get_running_loop())  # type: ignore[arg-type]


async def turn() -> None:
    await asyncio.sleep(0)


async def test_after_a_large_read_the_connection_is_read_again_in_the_next_turn() -> None:
    wire, transport = wired()
    transport.has_read(LARGE_READ)
    assert not wire.reading
    await turn()
    assert wire.reading


async def test_small_reads_cost_no_pause() -> None:
    wire, transport = wired()
    transport.has_read(LARGE_READ - 1)
    assert wire.reading


async def test_what_the_protocol_paused_meanwhile_stays_paused_until_it_resumes() -> None:
    wire, transport = wired()
    transport.has_read(LARGE_READ)
    transport.pause_reading()
    await turn()
    assert not wire.reading
    transport.resume_reading()
    assert wire.reading


async def test_what_the_protocol_resumes_meanwhile_waits_for_its_turn() -> None:
    wire, transport = wired()
    transport.has_read(LARGE_READ)
    transport.pause_reading()
    transport.resume_reading()
    assert not wire.reading
    await turn()
    assert wire.reading


async def test_a_connection_that_closes_meanwhile_is_left_alone() -> None:
    wire, transport = wired()
    transport.has_read(LARGE_READ)
    wire.closing = True
    await turn()
    transport.has_read(LARGE_READ)
    assert not wire.reading
