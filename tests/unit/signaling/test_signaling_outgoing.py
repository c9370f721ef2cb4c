"""What waits for a client that reads too slowly: the bound, and what happens beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.testing.eventually import within
from services.signaling.websocket import wire
from services.signaling.websocket.adapters.websocket_client import SEND_TIMEOUT_S
from services.signaling.websocket.domain.outgoing import MAX_BYTES, MAX_FRAMES, Outgoing, OutgoingRoom
from tests.unit.signaling.asgi_socket import Closed
from tests.unit.signaling.signaling_harness import Client, Cluster, cluster

SLOW = (1013, "slow")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster(message_burst=5_000, messages_per_s=5_000) as running:
        yield running


def stop_reading(client: Client) -> None:
    client.asgi.reads.clear()


async def end_of(client: Client, within_s: float) -> tuple[int, str]:
    """The code and the reason with which the socket is closed, within so much virtual time."""
    async with within(within_s, "the end of the socket"):
        while True:
            try:
                await client.asgi.recv()
            except Closed as closed:
                return closed.code, closed.reason


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 1_000, MAX_BYTES // 3, MAX_BYTES, MAX_BYTES + 1]))))
def test_no_more_waits_than_the_bounds_allow_and_all_that_was_added_is_sent_in_order(
    events: list[tuple[bool, int]],
) -> None:
    room = OutgoingRoom()
    outgoing, books = Outgoing(room, "192.0.2.1"), list[str]()
    for number, (adds, size) in enumerate(events):
        if adds:
            frame = f"{number:08}"[:size] + "x" * (size - 8)
            taken = outgoing.add(frame)
            assert taken == (sum(map(len, books)) + size <= MAX_BYTES)
            books += [frame] if taken else []
        elif books:
            assert outgoing.first == books.pop(0)
            outgoing.sent()
        assert (len(outgoing), outgoing.bytes) == (len(books), sum(map(len, books)))
        assert outgoing.bytes == len(room) <= MAX_BYTES
    outgoing.clear()
    assert outgoing.add("x")
    assert (len(outgoing), len(room)) == (0, 0)


def test_frames_are_bounded_by_their_number_too_and_counted_in_bytes_of_utf_8() -> None:
    outgoing = Outgoing(OutgoingRoom(), "")
    assert [outgoing.add("\u20ac") for _ in range(MAX_FRAMES + 1)] == [True] * MAX_FRAMES + [False]
    assert outgoing.bytes == 3 * MAX_FRAMES
    outgoing.sent()
    assert outgoing.add("")


def test_nothing_waits_at_first() -> None:
    assert Outgoing(OutgoingRoom(), "").first is None


def test_one_address_has_a_share_of_what_waits_for_all() -> None:
    refused: list[str] = []
    room = OutgoingRoom(100, refused.append)
    several = [Outgoing(room, "192.0.2.1") for _ in range(3)]
    assert [one.add("x" * 20) for one in several] == [True, True, False]
    other = Outgoing(room, "192.0.2.2")
    assert other.add("x" * 20)
    several[0].sent()
    assert several[2].add("x" * 20)
    assert refused == ["address_full"]


async def test_clients_of_one_address_that_stop_reading_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    room = OutgoingRoom(250_000)
    monkeypatch.setattr(wire, "OutgoingRoom", lambda **_: room)
    async with cluster(message_burst=5_000, messages_per_s=5_000, unlimited_networks="") as c:
        await c.go_live(meta_data="m" * 16_000)
        async with c.client() as first, c.client() as second:
            for client in (first, second):
                stop_reading(client)
                for _ in range(5):
                    await client.send("getBroadcastObject", streamId="s1")
                await c.sees(lambda: len(room) > 80_000)
            assert await end_of(second, within_s=1.0) == SLOW
            first.asgi.reads.set()
            assert [(await first.receive())["definition"] for _ in range(5)] == ["broadcastObject"] * 5
        async with c.client() as third:
            assert (await third.ask("getBroadcastObject", streamId="s1"))["definition"] == "broadcastObject"


async def test_a_client_that_stops_reading_is_let_go_when_too_many_frames_wait_for_it(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        stop_reading(client)
        for _ in range(MAX_FRAMES + 1):
            await client.send("ping")

        assert await end_of(client, within_s=1.0) == SLOW
        await c.sees(lambda: c.origin.closed)

    assert c.origin.closed[0].session == session


async def test_a_client_that_stops_reading_is_let_go_when_too_many_bytes_wait_for_it(c: Cluster) -> None:
    await c.go_live(meta_data="m" * 16_000)
    async with c.client() as client:
        stop_reading(client)
        for _ in range(MAX_BYTES // 16_000 + 1):
            await client.send("getBroadcastObject", streamId="s1")

        assert await end_of(client, within_s=1.0) == SLOW


async def test_a_client_that_reads_again_in_time_loses_nothing(c: Cluster) -> None:
    async with c.client() as client:
        stop_reading(client)
        for _ in range(MAX_FRAMES - 1):
            await client.send("ping")
        await asyncio.sleep(SEND_TIMEOUT_S / 2)
        client.asgi.reads.set()

        assert [await client.receive() for _ in range(MAX_FRAMES - 1)] == [{"command": "pong"}] * (MAX_FRAMES - 1)


async def test_a_client_that_takes_no_frame_in_the_time_for_one_is_let_go(c: Cluster) -> None:
    async with c.client() as client:
        stop_reading(client)
        await client.send("ping")

        assert await end_of(client, within_s=SEND_TIMEOUT_S + 1.0) == SLOW


async def test_a_refused_viewer_keeps_its_socket_and_may_play_on_it_later(c: Cluster) -> None:
    await c.go_live()
    for edge in c.edges:
        edge.refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "highResourceUsage"
        await asyncio.sleep(60.0)
        for edge in c.edges:
            edge.refusal = None
        await c.go_live()

        await client.play(c)
