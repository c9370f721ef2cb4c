"""What becomes of a request when the app fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rillcast.runtime import metrics
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.telemetry.logs import Bounded
from rillcast.testing.eventually import eventually

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """Fails with what the client sent in the words of the exception: where its path says."""
    if scope["path"] == "/later":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
    if scope["path"] == "/afterwards":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})
    if scope["path"] == "/accepted":
        await send({"type": "websocket.accept"})
    raise ValueError(f"cannot cope with {scope['query_string'].decode()}")


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"))
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()


def failed(protocol: str) -> float:
    value: float = metrics.HTTP_FAILED.labels(protocol)._value.get()
    return value


def says(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.__dict__.get('rillcast_fields')}" for record in caplog.records)


async def test_a_fault_is_a_500_in_words_and_one_line_without_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    before = failed("http")
    async with serving() as address, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{address}/?token=SECRET")
    assert (answer.status_code, answer.text) == (500, "internal error, see this node's log\n")
    assert failed("http") == before + 1
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not line.exc_info
    assert "ValueError" in says(caplog)
    assert "test_http_faults.py:" in says(caplog)
    assert "SECRET" not in says(caplog)


async def test_an_answer_that_breaks_off_ends_the_connection_without_the_fault_s_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as address, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://{address}/later?token=SECRET")
    assert "SECRET" not in caplog.text
    assert all(not record.exc_info for record in caplog.records)


async def test_a_fault_after_the_answer_changes_nothing_for_the_client() -> None:
    async with serving() as address, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{address}/afterwards")).text == "done"
        assert (await client.get(f"http://{address}/afterwards")).text == "done"


async def test_a_websocket_is_refused_or_closed(caplog: pytest.LogCaptureFixture) -> None:
    before = failed("websocket")
    async with serving() as address:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{address}/?token=SECRET", proxy=None):
                pass
        with pytest.raises(ConnectionClosed) as closed:
            async with connect(f"ws://{address}/accepted?token=SECRET", proxy=None) as socket:
                await socket.recv()
    assert refused.value.response.status_code == 500
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert failed("websocket") == before + 2
    assert "SECRET" not in caplog.text
    assert all(not record.exc_info for record in caplog.records)


async def test_however_often_it_fails_the_log_stays_small(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bounded, "PERIOD_S", 3_600.0)
    bound, before = Bounded(), failed("http")
    logging.getLogger("rillcast.runtime.http.last_words").addFilter(bound)
    try:
        async with serving() as address, httpx.AsyncClient(trust_env=False, timeout=60) as client:
            await asyncio.gather(*(client.get(f"http://{address}/") for _ in range(200)))
    finally:
        logging.getLogger("rillcast.runtime.http.last_words").removeFilter(bound)
    assert failed("http") == before + 200
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == Bounded.LINES


async def test_a_client_that_leaves_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def reads(scope: Event, receive: Receive, send: Send) -> None:
        seen.append("asked")
        with suppress(asyncio.CancelledError):
            await Request(scope, receive, send).body()  # type: ignore[arg-type]

    server = HttpServer(reads, bind("127.0.0.1", 0, "PORT"))
    await server.start()
    before = failed("http")
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nsome")
    await eventually(lambda: seen, what="the request")
    writer.close()
    await server.stop()
    assert failed("http") == before
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
