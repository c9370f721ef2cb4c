"""Generated viewers over the Ant Media WebSocket stay, and say so when the server sends them away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.load.description import LocalPeer
from rillcast.load.session import AntMediaJoin, OnOffer
from rillcast.media.sdp import LocalTransport, SentStream, offer_play
from rillcast.testing.eventually import eventually, within

FINGERPRINT = ":".join(["AB"] * 32)
SERVER = LocalTransport(ufrag="server", pwd="s" * 24, fingerprint=FINGERPRINT, addresses=("192.0.2.7",), port=50_000)
SOUND = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)
BEYOND_ANY_QUEUE = 50
NOTE = json.dumps({"command": "notification", "definition": "resolutionChangeInfo"})

OFFER = json.dumps(
    {
        "command": "takeConfiguration",
        "streamId": "s1",
        "type": "offer",
        "sdp": offer_play([SentStream("s1", (SOUND,))], SERVER).sdp,
    }
)

Afterwards = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def a_viewer(afterwards: Afterwards, on_offer: OnOffer | None = None) -> AsyncIterator[AntMediaJoin]:
    """One that has joined a server, which then does something with its socket."""

    async def conversation(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(OFFER)
        await socket.recv()
        await afterwards(socket)

    async with serve(conversation, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        joining = AntMediaJoin(f"ws://127.0.0.1:{port}/live/websocket", "s1")
        try:
            await joining.view(LocalPeer.new(FINGERPRINT), on_offer)
            yield joining
        finally:
            await joining.close()


async def test_a_viewer_that_was_told_much_still_answers_pings() -> None:
    answered = asyncio.Event()

    async def talk_and_ping(socket: ServerConnection) -> None:
        for _ in range(BEYOND_ANY_QUEUE):
            await socket.send(NOTE)
            await (await socket.ping())  # each read alone: a queue stops only what comes later
        answered.set()
        await socket.wait_closed()

    async with a_viewer(talk_and_ping) as joining, within(10, "the answer to the ping"):
        await answered.wait()
        assert joining.ended() == {}


async def test_a_viewer_whose_socket_the_server_closes_is_counted() -> None:
    async def give_up(socket: ServerConnection) -> None:
        await socket.close(1011, "keepalive ping timeout")

    async with a_viewer(give_up) as joining:
        await eventually(lambda: joining.ended() == {"its socket closed with 1011": 1})


async def test_a_viewer_whose_stream_ends_is_counted_once_though_its_socket_stays() -> None:
    async def finish(socket: ServerConnection) -> None:
        for _ in range(2):
            await socket.send(json.dumps({"command": "notification", "definition": "play_finished"}))
        await socket.wait_closed()

    async with a_viewer(finish) as joining:
        await eventually(lambda: joining.ended() == {"play_finished": 1})
        await joining.close()
        assert joining.ended() == {"play_finished": 1}


async def test_a_viewer_answers_what_the_server_offers_later() -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def move(socket: ServerConnection) -> None:
        await socket.send(OFFER)
        heard.set_result(str(await socket.recv()))
        await socket.wait_closed()

    async with (
        a_viewer(move, lambda sdp: f"to {len(sdp)} characters"),
        within(10, "the answer to the offer that moves"),
    ):
        answer = json.loads(await heard)
    assert (answer["command"], answer["type"]) == ("takeConfiguration", "answer")
    assert answer["sdp"].startswith("to ")


async def test_an_offer_that_has_no_answer_ends_that_viewer() -> None:
    def refuse(_: str) -> str:
        raise RillcastError(ErrorCode.NO_COMMON_CODEC, "no codec")

    async def move(socket: ServerConnection) -> None:
        await socket.send(OFFER)
        await socket.wait_closed()

    async with a_viewer(move, refuse) as joining:
        await eventually(lambda: len(joining.ended()) == 1)
        assert "an offer that has no answer" in next(iter(joining.ended()))
