"""Webhooks over real HTTP: what means yes, and servers that answer nonsense, nothing or without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rillcast.testing.eventually import within
from services.signaling.core.adapters.http_webhook import HttpWebhook
from services.signaling.core.domain.region import parse_networks


class Server:
    """An HTTP server that answers as it is told."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.asked = 0
        self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            writer.write(self.answer)
            await writer.drain()
            while b"endless" in self.answer:
                writer.write(b"x" * 65_536)
                self.sent += 65_536
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def hook() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    yield server, f"http://127.0.0.1:{port}/auth"
    listener.close()


async def asked(url: str) -> bool:
    webhook = HttpWebhook()
    kept = asyncio.create_task(webhook.keep_open())
    try:
        async with within(20, "the decision of the webhook"):
            return await webhook.allows(url, b"{}")
    finally:
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)


@pytest.mark.parametrize(
    ("answer", "says_yes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 302 Found\r\nLocation: /yes\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
async def test_only_the_status_200_means_yes(hook: tuple[Server, str], answer: bytes, says_yes: bool) -> None:
    server, url = hook
    server.answer = answer
    assert await asked(url) is says_yes
    assert server.asked == 1


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000])
async def test_an_answer_that_is_none_is_told_from_a_no(hook: tuple[Server, str], answer: bytes) -> None:
    server, url = hook
    server.answer = answer
    with pytest.raises(OSError, match="no answer"):
        await asked(url)


async def test_an_endless_body_is_not_read(hook: tuple[Server, str]) -> None:
    server, url = hook
    server.answer = b"HTTP/1.1 200 OK\r\nX: endless\r\n\r\n"
    assert await asked(url)
    assert server.sent < 32_000_000, "no more than what fits into the buffers of two sockets"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/auth", "http://[::1", "nonsense"])
async def test_nobody_there_is_no_answer(url: str) -> None:
    with pytest.raises(OSError, match="no answer"):
        await asked(url)


async def test_no_cookie_of_a_receiver_is_kept(hook: tuple[Server, str]) -> None:
    server, url = hook
    server.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    webhook = HttpWebhook()
    kept = asyncio.create_task(webhook.keep_open())
    assert await webhook.allows(url, b"{}")
    assert not list(webhook._http.cookies.jar)
    kept.cancel()
    await asyncio.gather(kept, return_exceptions=True)


async def test_nothing_is_sent_where_the_operator_forbids_it(hook: tuple[Server, str]) -> None:
    server, url = hook
    for refused in ("127.0.0.0/8", "::ffff:127.0.0.0/104,127.0.0.1"):
        webhook = HttpWebhook(parse_networks(refused))
        kept = asyncio.create_task(webhook.keep_open())
        for place in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433"):
            with pytest.raises(OSError, match="no answer"):
                await webhook.post(url.replace("127.0.0.1", place), b"{}", {})
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)
    assert server.asked == 0
