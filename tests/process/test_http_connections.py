"""How many connections a listener has, which of them give way, and when one ends with its answer."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from rillcast.runtime.http import protocol as http_protocol
from rillcast.runtime.http import transport
from rillcast.testing.eventually import eventually, within
from tests.process.http_listener import GET, Endless, Slow, complaints, connected, counted, listener, server


async def test_one_connection_too_many_is_refused_in_words_until_one_is_idle() -> None:
    Slow.answered = asyncio.Event()
    slow = GET.replace(b"/ ", b"/slow ")
    async with listener(connections=2) as port, connected(port, slow) as first, connected(port, GET + slow) as second:
        await second.answer()
        async with counted("full"), connected(port, GET) as third:
            answer = await third.rest()
        assert answer.startswith("HTTP/1.1 503 Service Unavailable\r\n")
        assert "retry-after: 5\r\n" in answer
        assert answer.endswith("too many connections are open here, try again soon\n")
        assert not first.reader.at_eof()
        Slow.answered.set()

        async def served() -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200

        await eventually(served, what="a place for the next")


async def test_who_is_there_is_served_on_while_nobody_new_is_taken() -> None:
    Slow.answered = asyncio.Event()
    async with server() as listening:
        port = listening.port
        async with connected(port, GET.replace(b"/ ", b"/slow ")) as slow, connected(port, GET) as idle:
            await idle.answer()
            for _ in range(2):
                await listening.take_no_more()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            idle.writer.write(GET)
            await idle.answer()
            Slow.answered.set()
            await slow.answer()


async def test_silent_connections_give_way_to_the_next_and_the_first_of_them_first() -> None:
    async with listener(connections=3) as port, AsyncExitStack() as clients:
        silent = [await clients.enter_async_context(connected(port)) for _ in range(3)]
        async with counted("gave_way"), connected(port, GET) as another:
            await another.answer()
        assert await silent[0].rest() == ""
        assert not silent[1].reader.at_eof()


async def test_a_connection_that_was_answered_is_idle_until_it_asks_again() -> None:
    Slow.answered = asyncio.Event()
    async with listener(connections=1) as port, connected(port, GET) as first:
        await first.answer()
        async with counted("gave_way"), connected(port, GET.replace(b"/ ", b"/slow ")):
            assert await first.rest() == ""
            async with counted("full"), connected(port, GET) as third:
                assert (await third.rest()).startswith("HTTP/1.1 503 ")
        Slow.answered.set()


async def test_one_address_has_so_many_connections_and_others_have_theirs() -> None:
    Slow.answered = asyncio.Event()
    slow = GET.replace(b"/ ", b"/slow ")
    async with (
        listener(connections_per_address=2) as port,
        connected(port, slow) as first,
        connected(port, GET + slow) as second,
    ):
        await second.answer()
        async with counted("address_full"), connected(port, GET) as third:
            answer = await third.rest()
        assert answer.startswith("HTTP/1.1 503 Service Unavailable\r\n")
        assert answer.endswith("too many connections of your address are open here, try again soon\n")
        async with connected(port, GET, "127.0.0.2") as neighbour:
            await neighbour.answer()
        assert not first.reader.at_eof()
        Slow.answered.set()

        async def served() -> bool:
            async with connected(port, GET) as another, within(10, "the head of the answer"):
                return (await another.reader.readline()).startswith(b"HTTP/1.1 200 ")

        await eventually(served, what="a place for the next of the address")


async def test_a_proxy_may_have_more_connections_than_a_client() -> None:
    proxies = (ipaddress.ip_network("127.0.0.0/8"),)
    async with (
        listener(connections_per_address=1, unlimited=proxies) as port,
        connected(port) as first,
        connected(port, GET) as c,
    ):
        await c.answer()
        assert not first.reader.at_eof()


async def test_too_many_who_are_refused_are_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "_MOST_LINGERING", 0)
    async with listener(connections_per_address=0) as port, counted("address_full"), connected(port, GET) as client:
        with suppress(ConnectionResetError):
            assert await client.rest() == ""


async def test_websockets_count_and_have_no_head_to_wait_for() -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    async with listener(connections=2, head_timeout_s=0.2) as port, connected(port, upgrade) as socket:
        async with within(10, "the upgrade"):
            head = await socket.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        Slow.answered = asyncio.Event()
        async with connected(port, GET.replace(b"/ ", b"/slow ")), connected(port, GET) as third:
            assert (await third.rest()).startswith("HTTP/1.1 503 ")
        Slow.answered.set()
        async with connected(port) as silent, counted("head_too_late"):
            assert (await silent.rest()).startswith("HTTP/1.1 408 ")  # so the socket's time would be over, too
        assert not socket.reader.at_eof()


POST = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n"


async def test_an_answer_that_leaves_the_body_unread_ends_the_connection() -> None:
    async with counted("body_too_late"), listener(unread_body_timeout_s=0.1) as port, connected(port, POST) as client:

        async def trickle() -> None:
            while True:
                client.writer.write(b"x")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        await client.answer()
        with suppress(ConnectionResetError):
            assert await client.rest() == ""
        task.cancel()


async def test_a_body_that_comes_just_after_the_answer_keeps_the_connection() -> None:
    async with counted("body_too_late", 0), listener() as port, connected(port, POST) as client:
        await client.answer()
        client.writer.write(b"x" * 100 + GET)
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


async def test_a_body_has_a_deadline_while_the_answer_waits() -> None:
    Slow.answered = asyncio.Event()
    first = POST.replace(b"/ ", b"/slow ")
    async with counted("body_too_late"), listener(body_timeout_s=0.1) as port, connected(port, first) as client:
        with suppress(ConnectionResetError):
            assert await client.rest() == ""
        Slow.answered.set()


async def test_a_request_under_way_when_the_server_stops_is_answered_503(caplog: pytest.LogCaptureFixture) -> None:
    Slow.answered = asyncio.Event()
    async with AsyncExitStack() as clients:
        async with listener() as port:
            client = await clients.enter_async_context(connected(port, GET.replace(b"/ ", b"/slow ")))
            another = await clients.enter_async_context(connected(port, GET))
            await another.answer()  # so the first has come, too
        answer = await client.rest()
    assert answer.startswith("HTTP/1.1 503 ")
    assert answer.endswith("\r\n\r\nthis node goes away, try again\n")
    assert complaints(caplog) == []


async def test_a_client_that_does_not_read_is_cut_off_quietly_when_the_server_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Endless.begun = asyncio.Event()
    async with AsyncExitStack() as clients, listener() as port:
        client = await clients.enter_async_context(connected(port, GET.replace(b"/ ", b"/endless ")))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with within(10, "the begin of the request"):
            await Endless.begun.wait()
    assert complaints(caplog) == []


async def test_a_client_that_stops_reading_an_answer_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CHECK_S", 0.05)
    Endless.begun = asyncio.Event()
    async with AsyncExitStack() as clients, listener(connections=1) as port:
        client = await clients.enter_async_context(connected(port, GET.replace(b"/ ", b"/endless ")))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def another_is_served() -> bool:
            async with connected(port, GET) as another, within(10, "the head of the answer"):
                return (await another.reader.readline()).startswith(b"HTTP/1.1 200 ")

        await eventually(another_is_served, what="the place of the one who stopped reading")
