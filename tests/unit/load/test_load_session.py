"""Which protocol a URL means, and what a refused join says. The protocols themselves: tests/process/test_load_*.py."""

from __future__ import annotations

import pytest

from rillcast.load.description import LocalPeer, PublishedTrack
from rillcast.load.session import AntMediaJoin, HttpJoin, Refused, joining

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
