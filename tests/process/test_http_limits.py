"""A listener's limits, on a real socket."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import uvloop

from rillcast.runtime.http import protocol as http_protocol
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.server import RECEIVE_BYTES, HttpServer, bind
from rillcast.runtime.http.turns import REQUEST_WORK, WORK_PER_TURN
from tests.process.http_listener import GET, Send, Slow, app, complaints, connected, counted, listener


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: he"], ids=["nothing", "half a head"])
async def test_a_request_that_never_comes_is_answered_and_closed(sent: bytes) -> None:
    async with counted("head_too_late"), listener(head_timeout_s=0.1) as port, connected(port, sent) as client:
        answer = await client.rest()
    assert answer.startswith("HTTP/1.1 408 ")
    assert answer.endswith("\r\n\r\nno complete request came within 0.1 s\n")


async def test_a_head_that_trickles_in_is_late_all_the_same() -> None:
    async with counted("head_too_late"), listener(head_timeout_s=0.3) as port, connected(port, GET[:20]) as client:

        async def trickle() -> None:
            while True:
                client.writer.write(b"x: y\r\n")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        answer = await client.rest()
        task.cancel()
    assert answer.startswith("HTTP/1.1 408 ")


async def test_the_head_of_a_second_request_is_late_too() -> None:
    async with counted("head_too_late"), listener(head_timeout_s=0.2) as port, connected(port, GET) as client:
        await client.answer()
        client.writer.write(b"G")
        assert (await client.rest()).startswith("HTTP/1.1 408 ")


async def test_a_late_second_head_waits_for_the_answer_to_the_first() -> None:
    Slow.answered = asyncio.Event()
    first = GET.replace(b"/ ", b"/slow ")
    async with listener(head_timeout_s=0.1) as port, connected(port, first + b"G") as client, connected(port) as silent:
        assert (await silent.rest()).startswith("HTTP/1.1 408 ")  # so the time of the second head is over, too
        Slow.answered.set()
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        assert (await client.rest()).startswith("HTTP/1.1 408 ")


async def test_a_large_second_head_during_an_answer_ends_the_connection() -> None:
    Slow.answered = asyncio.Event()
    first = GET.replace(b"/ ", b"/slow ")
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, first) as client:
        client.writer.write(GET[:-2] + b"x: " + b"y" * 3_000)
        with suppress(ConnectionResetError):
            assert await client.rest() == ""
        Slow.answered.set()


async def test_an_idle_connection_is_closed_without_words() -> None:
    async with listener(idle_timeout_s=0.1) as port, connected(port, GET) as client:
        await client.answer()
        assert await client.rest() == ""


async def test_a_head_without_end_is_refused() -> None:
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, GET[:-2]) as client:
        client.writer.write(b"x: " + b"y" * 3_000)
        assert (await client.rest()).startswith("HTTP/1.1 431 ")


LONG_URL = b"GET /" + b"x" * 106_000 + b" HTTP/1.1\r\nhost: here\r\n\r\n"
LARGE_HEAD = GET[:-2] + b"x: " + b"y" * 3_000 + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(LONG_URL, "414 URI Too Long", id="a URL of 106 kB"),
        pytest.param(LONG_URL[:100_000], "414 URI Too Long", id="a URL without end"),
        pytest.param(b"GET /" + b"x" * 3_000 + GET[5:], "414 URI Too Long", id="a URL over the limit"),
        pytest.param(LARGE_HEAD, "431 Request Header Fields Too Large", id="headers over the limit"),
    ],
)
async def test_a_head_that_comes_at_once_is_measured_too(head: bytes, status: str) -> None:
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, head) as client:
        answer = await client.rest()
    assert answer.startswith(f"HTTP/1.1 {status}\r\n")
    assert answer.count("HTTP/1.1") == 1


async def test_a_long_url_is_too_long_by_default_as_well() -> None:
    async with counted("head_too_large"), listener() as port, connected(port, LONG_URL) as client:
        assert (await client.rest()).startswith("HTTP/1.1 414 URI Too Long\r\n")


@pytest.mark.parametrize("behind", [GET, b"nonsense\r\n\r\n"], ids=["a request", "nonsense"])
async def test_nothing_behind_a_refused_head_is_answered(behind: bytes, caplog: pytest.LogCaptureFixture) -> None:
    post = LARGE_HEAD.replace(b"GET", b"POST", 1).replace(b"host", b"content-length: 5\r\nhost", 1)
    sent = post + b"hello" + behind
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, sent) as client:
        answer = await client.rest()
    assert answer.count("HTTP/1.1") == 1
    assert answer.startswith("HTTP/1.1 431 ")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_large_second_head_is_refused_on_its_own() -> None:
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, GET) as client:
        await client.answer()
        client.writer.write(LARGE_HEAD)
        assert (await client.rest()).startswith("HTTP/1.1 431 ")


async def test_a_large_body_after_a_small_head_is_no_large_head() -> None:
    head = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 100000\r\n\r\n"
    async with listener(head_bytes=2_000) as port, connected(port, head + b"x" * 100_000) as client:
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("count", [10, 11])
async def test_headers_are_counted(count: int) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * count + b"\r\n"
    async with listener(headers=10) as port, connected(port, head) as client:
        if count == 10:
            await client.answer()
        else:
            answer = await client.rest()
            assert answer.startswith("HTTP/1.1 431 Request Header Fields Too Large\r\n")
            assert answer.endswith("the request has too many headers\n")


CHUNKED = b"POST /headers HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_what_stands_behind_a_body_is_no_header_of_the_request() -> None:
    async with listener() as port, connected(port, CHUNKED + b"2\r\nab\r\n0\r\nx-forwarded-for: me\r\n\r\n") as client:
        assert b"x-forwarded-for" not in await client.answer()


async def test_a_body_in_small_chunks_is_a_body() -> None:
    async with listener() as port, connected(port, CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n") as client:
        await client.answer()


def test_a_client_that_leaves_while_its_pipelined_requests_are_answered_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On uvloop, whose closed transports raise."""

    async def leave() -> None:
        Slow.answered = asyncio.Event()
        async with listener() as port:
            async with connected(port, GET + GET.replace(b"/ ", b"/slow ") + GET) as client:
                await client.answer()
                client.writer.transport.abort()
            await asked(port)  # so the server knows that the client is gone
            Slow.answered.set()
            await asked(port)

    async def asked(port: int) -> None:
        async with connected(port, GET) as another:
            await another.answer()

    uvloop.run(leave())
    assert complaints(caplog) == []


async def test_requests_behind_each_other_are_answered_in_order() -> None:
    async with listener(pipelined=20) as port, connected(port, GET * 21) as client:
        for _ in range(21):
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


async def test_more_requests_behind_each_other_than_may_wait_end_the_connection() -> None:
    async with counted("pipelined"), listener(pipelined=20) as port, connected(port, GET * 1_000) as client:
        with suppress(ConnectionResetError):
            await client.rest()


@pytest.mark.parametrize("sent", [b"x: y\r\n", b"x: " + b"y" * 997], ids=["many", "one"])
async def test_trailers_are_as_limited_as_a_head(sent: bytes) -> None:
    Slow.answered = asyncio.Event()
    begin = b"POST /slow HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    async with counted("head_too_large"), listener(head_bytes=2_000) as port, connected(port, begin) as client:
        with suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(1_000):
                client.writer.write(sent)
                await client.writer.drain()
                await asyncio.sleep(0)
            assert await client.rest() == ""
        Slow.answered.set()


async def test_a_read_full_of_requests_is_parsed_no_further_than_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, on_message_begin = 0, http_protocol._LimitedProtocol.on_message_begin

    def counting(self: http_protocol._LimitedProtocol) -> None:
        nonlocal begun
        begun += 1
        on_message_begin(self)

    monkeypatch.setattr(http_protocol._LimitedProtocol, "on_message_begin", counting)
    async with counted("pipelined"), listener() as port, connected(port, GET * 5_000) as client:
        with suppress(ConnectionResetError):
            await client.rest()
    assert begun <= 4_096 / len(GET) + 1


async def test_one_turn_begins_few_requests_of_all_connections_together() -> None:
    turn, begun = 0, dict[int, int]()

    async def counting(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        begun[turn] = begun.get(turn, 0) + 1
        await app(scope, receive, send)

    async def turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    server = HttpServer(counting, bind("127.0.0.1", 0, "PORT"), HttpLimits())
    await server.start()
    async with AsyncExitStack() as clients:
        there = [await clients.enter_async_context(connected(server.port)) for _ in range(100)]
        counter = asyncio.create_task(turns())
        for one in there:
            one.writer.write(GET)
        for one in there:
            await one.answer()
        counter.cancel()
    await server.stop()
    assert sum(begun.values()) == 100
    assert max(begun.values()) <= WORK_PER_TURN // REQUEST_WORK + 1


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"POST /headers HTTP/1.1\r\nhost: here\r\ncontent-length: 6000\r\n\r\n" + b"x" * 5_000, b"x" * 1_000),
        (b"POST /headers HTTP/1.1\r\nhost: here\r\nx: " + b"x" * 5_000, b"\r\n\r\n"),
    ],
    ids=["a body", "a head"],
)
async def test_what_has_no_end_yet_has_a_share_for_each_address(begun: bytes, rest: bytes) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listener(unfinished_bytes=24_000))
        await stack.enter_async_context(counted("unfinished"))
        first, second = [await stack.enter_async_context(connected(port, begun)) for _ in range(2)]
        third = await stack.enter_async_context(connected(port, begun))
        assert (await third.rest()).startswith("HTTP/1.1 503 Service Unavailable\r\n")
        neighbour = await stack.enter_async_context(connected(port, begun + rest, "127.0.0.2"))
        await neighbour.answer()
        for client in (first, second):
            client.writer.write(rest)
            await client.answer()
        for _ in range(4):  # all of it is free again
            again = await stack.enter_async_context(connected(port, begun + rest))
            await again.answer()


async def test_what_was_answered_before_its_end_takes_no_room() -> None:
    begun = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 6000\r\n\r\n" + b"x" * 5_000
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listener(unfinished_bytes=24_000))
        for _ in range(6):
            client = await stack.enter_async_context(connected(port, begun))
            await client.answer()


def test_one_read_brings_little_however_much_was_sent() -> None:
    with bind("127.0.0.1", 0, "PORT") as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        with accepted:
            client.setblocking(False)
            with suppress(BlockingIOError):
                while client.send(b"x" * 65_536):
                    pass
            assert 0 < len(accepted.recv(1 << 20)) <= 2 * RECEIVE_BYTES
