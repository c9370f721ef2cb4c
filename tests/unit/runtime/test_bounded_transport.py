"""Who may stop the reading of one connection: its protocol, and whatever has enough of it to parse."""

from __future__ import annotations

import asyncio

from rillcast.runtime.http.inbox import ENOUGH_BYTES, Inbox
from rillcast.runtime.http.transport import BoundedTransport
from rillcast.runtime.http.turns import Turns


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


async def test_a_connection_that_rests_is_not_read_until_it_wakes() -> None:
    wire, transport = wired()
    transport.rest()
    transport.rest()
    assert not wire.reading
    transport.wake()
    transport.wake()
    assert wire.reading


async def test_what_the_protocol_paused_meanwhile_stays_paused_until_it_resumes() -> None:
    wire, transport = wired()
    transport.rest()
    transport.pause_reading()
    transport.wake()
    assert not wire.reading
    transport.resume_reading()
    assert wire.reading


async def test_what_the_protocol_resumes_meanwhile_waits_until_it_wakes() -> None:
    wire, transport = wired()
    transport.pause_reading()
    transport.rest()
    transport.resume_reading()
    assert not wire.reading
    transport.wake()
    assert wire.reading


async def test_a_connection_that_closes_meanwhile_is_left_alone() -> None:
    wire, transport = wired()
    transport.rest()
    wire.closing = True
    transport.wake()
    transport.resume_reading()
    assert not wire.reading


class Protocol:
    """Parses ten bytes at a time, and pauses after each `paused_after`."""

    def __init__(self, turns: Turns, paused_after: int = 0) -> None:
        self.wire, self.transport = wired()
        self.inbox = Inbox(self.transport, turns, "party", self._parse)
        self.parsed: list[bytes] = []
        self._paused_after = paused_after

    def _parse(self, received: bytearray) -> int:
        self.parsed.append(bytes(received[:10]))
        del received[:10]
        if self._paused_after and len(self.parsed) % self._paused_after == 0:
            self.transport.pause_reading()
        return 1


async def settled(turns: Turns) -> None:
    while len(turns):
        await asyncio.sleep(0)


async def test_what_came_is_parsed_in_its_order_part_by_part() -> None:
    turns = Turns()
    protocol = Protocol(turns)
    sent = bytes(range(256)) * 10
    for at in range(0, len(sent), 7):
        protocol.inbox.add(sent[at : at + 7])
        if at % 3 == 0:
            await asyncio.sleep(0)
    await settled(turns)
    assert b"".join(protocol.parsed) == sent
    assert max(map(len, protocol.parsed)) == 10


async def test_while_enough_waits_nothing_more_is_read() -> None:
    turns = Turns()
    protocol = Protocol(turns)
    protocol.inbox.add(bytes(ENOUGH_BYTES))
    assert protocol.wire.reading
    protocol.inbox.add(b"x")
    assert not protocol.wire.reading
    await asyncio.sleep(0)
    assert protocol.wire.reading


async def test_nothing_is_parsed_while_the_protocol_has_paused() -> None:
    turns = Turns()
    protocol = Protocol(turns, paused_after=2)
    protocol.inbox.add(bytes(100))
    await settled(turns)
    assert len(protocol.parsed) == 2
    protocol.inbox.add(bytes(100))
    await settled(turns)
    assert len(protocol.parsed) == 2
    protocol.transport.resume_reading()
    await settled(turns)
    assert len(protocol.parsed) == 4


async def test_a_part_that_is_too_short_waits_for_more_without_being_asked_again() -> None:
    turns, asked = Turns(), 0
    _, transport = wired()

    def parse(received: bytearray) -> int:
        nonlocal asked
        asked += 1
        if len(received) >= 4:
            received.clear()
        return 0

    inbox = Inbox(transport, turns, "party", parse)
    inbox.add(b"ab")
    await settled(turns)
    assert asked == 1
    inbox.add(b"cd")
    await settled(turns)
    assert asked == 2
