"""Generated peers over WHIP and WHEP: what they ask, what they make of the answer, and that they leave in the end."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.load.description import LocalPeer, PublishedTrack, simulcast_track
from rillcast.load.session import HttpJoin, Refused
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport, SentStream, answer_play, answer_publish

FINGERPRINT = ":".join(["AB"] * 32)
SERVER = LocalTransport(ufrag="server", pwd="s" * 24, fingerprint=FINGERPRINT, addresses=("192.0.2.7",), port=50_000)
SOUND = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)
AUDIO = PublishedTrack(False, 48_000, 111, 1)
LAYERS = tuple(simulcast_track(90_000, 102, 2 + n, n) for n in range(2))


@dataclasses.dataclass
class Server:
    """Answers as it is told, and remembers what was asked."""

    status: int = 201
    location: str | None = "/live/whip/resource"
    takes_simulcast: bool = True
    said: str = ""
    asked: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    """(method, path, Authorization header)"""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, request.headers.get("authorization", "")))
        if request.method == "DELETE":
            return web.Response()
        offer = await request.text()
        headers = {} if self.location is None else {"location": self.location}
        if self.status != 201:
            return web.Response(status=self.status, text=self.said)
        if "/whip/" in request.path:
            sources = map(SourceId, itertools.count(1))
            text = answer_publish(offer, SERVER, allocate_source=lambda: next(sources)).answer_sdp
        else:
            text = answer_play(offer, [SentStream("s", (SOUND,))], SERVER).sdp or ""
        if not self.takes_simulcast:
            text = text.replace("a=simulcast", "a=x-simulcast")
        return web.Response(status=201, text=text, headers=headers)


@asynccontextmanager
async def running(server: Server, path: str, token: str = "") -> AsyncIterator[HttpJoin]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    joining = HttpJoin(f"http://127.0.0.1:{runner.addresses[0][1]}{path}", token)
    try:
        yield joining
    finally:
        await joining.close()
        await runner.cleanup()


async def test_a_viewer_takes_what_the_answer_says_and_leaves_at_the_end() -> None:
    server = Server()
    async with running(server, "/live/whep/s", token="t") as joining:
        agreed = await joining.view(LocalPeer.new(FINGERPRINT))
        assert (agreed.remote, agreed.remote_ufrag) == ("192.0.2.7:50000", "server")
        assert [track.codec for track in agreed.viewed] == ["opus"]
    assert server.asked == [
        ("POST", "/live/whep/s", "Bearer t"),
        ("DELETE", "/live/whip/resource", "Bearer t"),
    ]


async def test_each_publisher_has_a_stream_of_its_own() -> None:
    server = Server(location=None)
    async with running(server, "/live/whip/any") as joining:
        for stream in ("one", "two"):
            await joining.publish(LocalPeer.new(FINGERPRINT), stream, (LAYERS[0], AUDIO))
    assert server.asked == [("POST", "/live/whip/one", ""), ("POST", "/live/whip/two", "")], "nothing to leave"


async def test_a_publisher_of_layers_needs_a_server_that_takes_them() -> None:
    async with running(Server(), "/live/whip/s") as joining:
        await joining.publish(LocalPeer.new(FINGERPRINT), "s", (*LAYERS, AUDIO))
    async with running(Server(takes_simulcast=False), "/live/whip/s") as joining:
        with pytest.raises(Refused, match="takes no simulcast"):
            await joining.publish(LocalPeer.new(FINGERPRINT), "s", (*LAYERS, AUDIO))


async def test_a_refusal_is_told_with_its_status_and_no_more_than_a_line() -> None:
    async with running(Server(status=503, said="no room " * 100), "/live/whep/s") as joining:
        with pytest.raises(Refused, match="503 no room") as caught:
            await joining.view(LocalPeer.new(FINGERPRINT))
    assert len(str(caught.value)) < 140


async def test_an_answer_that_is_not_created_is_a_refusal() -> None:
    async with running(Server(status=200, said="ok"), "/live/whep/s") as joining:
        with pytest.raises(Refused, match="200 ok"):
            await joining.view(LocalPeer.new(FINGERPRINT))


async def test_a_server_that_is_not_there_is_a_refusal_and_no_reason_not_to_end() -> None:
    async with running(Server(), "/live/whep/s") as joining:
        await joining.view(LocalPeer.new(FINGERPRINT))
        gone = HttpJoin("http://127.0.0.1:9/live/whep/s")
        with pytest.raises(Refused, match="Cannot connect"):
            await gone.view(LocalPeer.new(FINGERPRINT))
        await gone.close()
