"""A listener's limits, on a real socket."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import uvloop

from rillcast.runtime import metrics
from rillcast.runtime.http import limits as http_limits
from rillcast.runtime.http import transport
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.http.turns import REQUEST_WORK, WORK_PER_TURN
from rillcast.testing.eventually import eventually

Send = Callable[[dict[str, Any]], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Slow:
    """``/slow`` is answered once this is set."""

    answered: asyncio.Event


class Endless:
    """``/endless`` begins an answer that no buffer holds, and says so here."""

    begun: asyncio.Event


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """Answers HTTP with "ok"; accepts WebSockets and keeps them."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["path"] == "/headers":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": scope["headers"]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    if scope["path"] == "/slow":
        await Slow.answered.wait()
    if scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 32_000_000, "more_body": True})
        Endless.begun.set()
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def listener(**limits: Any) -> AsyncIterator[int]:
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"), HttpLimits(**limits))
    await server.start()
    yield server.port
    await server.stop()


class Connection:
    """A client that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def rest(self) -> str:
        """Everything until the server closes."""
        async with asyncio.timeout(10):
            return (await self.reader.read()).decode()

    async def answer(self) -> bytes:
        """One answer of `app`."""
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"ok")


@asynccontextmanager
async def connected(port: int, first: bytes = b"", address: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """A connection from one of this machine's own addresses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(first)
    yield Connection(reader, writer)
    writer.close()


@asynccontextmanager
async def counted(reason: str, times: int = 1) -> AsyncIterator[None]:
    counter = metrics.HTTP_REFUSED.labels(reason)
    before = counter._value.get()
    yield
    assert counter._value.get() == before + times


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
            async with connected(port, GET) as another, asyncio.timeout(10):
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
    monkeypatch.setattr(http_limits, "_MOST_LINGERING", 0)
    async with listener(connections_per_address=0) as port, counted("address_full"), connected(port, GET) as client:
        with suppress(ConnectionResetError):
            assert await client.rest() == ""


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


async def test_websockets_count_and_have_no_head_to_wait_for() -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    async with listener(connections=2, head_timeout_s=0.2) as port, connected(port, upgrade) as socket:
        async with asyncio.timeout(10):
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
        await asyncio.wait_for(Endless.begun.wait(), 10)
    assert complaints(caplog) == []


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


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_stops_reading_an_answer_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CHECK_S", 0.05)
    Endless.begun = asyncio.Event()
    async with AsyncExitStack() as clients, listener(connections=1) as port:
        client = await clients.enter_async_context(connected(port, GET.replace(b"/ ", b"/endless ")))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def another_is_served() -> bool:
            async with connected(port, GET) as another, asyncio.timeout(10):
                return (await another.reader.readline()).startswith(b"HTTP/1.1 200 ")

        await eventually(another_is_served, what="the place of the one who stopped reading")


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
    begun, on_message_begin = 0, http_limits._LimitedProtocol.on_message_begin

    def counting(self: http_limits._LimitedProtocol) -> None:
        nonlocal begun
        begun += 1
        on_message_begin(self)

    monkeypatch.setattr(http_limits._LimitedProtocol, "on_message_begin", counting)
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
