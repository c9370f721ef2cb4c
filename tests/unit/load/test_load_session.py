"""Which protocol a URL means, and what a refused join says. The protocols themselves: tests/process/test_load_*.py."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from rillcast.load.description import LocalPeer, PublishedTrack
from rillcast.load.session import AT_ONCE, AntMediaJoin, HttpJoin, Refused, joining, leave_all

TRACKS = (PublishedTrack(True, 90_000, 102, 1), PublishedTrack(False, 48_000, 111, 2))


@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
async def test_an_http_url_means_whip_and_whep(scheme: str) -> None:
    made = joining(f"{scheme}://127.0.0.1:5080/live/whep/s", "", "")
    assert isinstance(made, HttpJoin)
    assert made.ended() == {}
    await made.close()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_url_means_ant_medias_protocol(scheme: str) -> None:
    made = joining(f"{scheme}://127.0.0.1:5080/live/websocket", "s", "")
    assert isinstance(made, AntMediaJoin)
    assert made.ended() == {}
    await made.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ws://127.0.0.1/live/websocket", "needs --stream"),
        ("127.0.0.1:5080", "http, https, ws or wss expected"),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x: http, https, ws or wss expected"),
        ("", "expected"),
    ],
)
def test_a_url_that_means_nothing_is_named(url: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        joining(url, "", "")


async def test_publishing_over_the_websocket_is_refused_in_words() -> None:
    with pytest.raises(Refused, match="give the http:// URL"):
        await AntMediaJoin("ws://127.0.0.1/live/websocket", "s").publish(LocalPeer("u", "p", "f"), "s", TRACKS)


class Leaving:
    """Sessions that take a second to be left, the first of which is gone already."""

    def __init__(self, count: int) -> None:
        self.at: list[tuple[int, float]] = []
        self.all = [partial(self._leave, number) for number in range(count)]

    async def _leave(self, number: int) -> None:
        self.at.append((number, asyncio.get_running_loop().time()))
        await asyncio.sleep(1.0)
        if number == 0:
            raise ConnectionError("it is gone")


async def test_sessions_are_left_at_the_rate_that_was_asked_for() -> None:
    began, leaving = asyncio.get_running_loop().time(), Leaving(4)
    await leave_all(leaving.all, 10.0)

    assert [number for number, _ in leaving.at] == [0, 1, 2, 3]
    assert [at - began for _, at in leaving.at] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert asyncio.get_running_loop().time() == pytest.approx(began + 0.3 + 1.0)


async def test_without_a_rate_some_are_left_at_once_and_then_the_next() -> None:
    began, leaving = asyncio.get_running_loop().time(), Leaving(AT_ONCE + 1)
    await leave_all(leaving.all, 0.0)

    assert [number for number, _ in leaving.at] == list(range(AT_ONCE + 1))
    assert [at - began for _, at in leaving.at] == pytest.approx([0.0] * AT_ONCE + [1.0])
