"""Every frame that a WebSocket client gets, byte for byte: each command of Ant Media's protocol, asked well and badly,
and whatever nodes, streams and the end of this instance make of a session.

`recorded/websocket_frames.json` holds them, in the order in which they came. After a change that was meant, write it
anew with ``RECORD=1 pytest`` and look at the difference: each line of it is something that a client sees.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.websocket.domain.conversation import SERVED
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES
from services.signaling.websocket.domain.not_served import NOT_SERVED
from services.signaling.websocket.domain.questions import QUESTIONS
from tests.unit.signaling.asgi_socket import AsgiSocket, Denied, asgi_socket
from tests.unit.signaling.fake_nodes import ANSWER, OFFER, FakeMediaNode
from tests.unit.signaling.signaling_harness import Cluster, cluster

RECORDED = Path(__file__).parent / "recorded" / "websocket_frames.json"
QUIET_S = 0.05
"""Virtual time in which everything that a step brings has come. So short, since a stream that nobody renews ends."""
SECRET = "x" * 32
SETTINGS = {"max_streams_per_socket": 3, "node_wait_s": 0}
FIELDS: dict[str, dict[str, Any]] = {
    "takeConfiguration": {"type": "offer", "sdp": OFFER},
    "takeCandidate": {"label": 0, "id": "0", "candidate": ""},
    "forceStreamQuality": {"streamHeight": 360},
    "toggleVideo": {"trackId": "s1", "enabled": False},
    "toggleAudio": {"trackId": "s1", "enabled": False},
    "enableTrack": {"trackId": "s1", "enabled": False},
    "firstFrame": {"firstFrameMs": 321},
    "joinRoom": {"room": "r1", "mode": "multitrack"},
}
"""What each command says besides its stream."""
COMMANDS = (*sorted(SERVED), "getIceServerConfig", "ping", *sorted(NOT_SERVED), "neverHeardOf")
NO_STREAM = {"missing": None, "empty": "", "a slash": "a/b", "a number": 5, "too long": "s" * 300, "a dot": "."}
DOORS = ("/live/websocket/signaling", "/live/websocket/", "/live/websocket/signaling/", "/live/websocket/other", "/")
NO_FRAMES: dict[str, str | bytes] = {
    "nothing": "",
    "no json": "{",
    "a word": "hello",
    "null": "null",
    "a list": "[]",
    "no command": "{}",
    "a number for a command": '{"command": 5}',
    "a command that is empty": '{"command": ""}',
    "half a character": '{"command": "play", "streamId": "\\ud800"}',
    "a key twice": '{"command": "ping", "command": "getIceServerConfig"}',
    "deep": "[" * 30_000 + "]" * 30_000,
    "bytes": b'{"command": "ping"}',
}


class Recorder:
    """A client that keeps what each of its steps brought."""

    def __init__(self, c: Cluster, frames: dict[str, list[str]]) -> None:
        self.c = c
        self.frames = frames
        self._socket: AsgiSocket | None = None

    @asynccontextmanager
    async def socket(self, path: str = "/live/websocket?target=edge") -> AsyncIterator[None]:
        async with asgi_socket(self.c.service.asgi, path) as self._socket:
            yield

    async def send(self, note: str, frame: str | bytes) -> None:
        assert self._socket is not None
        await self._socket.send(frame)
        await self.came(note)

    async def say(self, command: str, note: str = "", stream: Any = "s1", **fields: Any) -> None:
        said = {"command": command, "streamId": stream, **FIELDS.get(command, {}), **fields}
        if stream is None:
            del said["streamId"]
        await self.send(f"{command}{f' ({note})' if note else ''}", json.dumps(said))

    async def came(self, note: str) -> None:
        """Keep what has come since the last step."""
        assert self._socket is not None
        await asyncio.sleep(QUIET_S)
        assert note not in self.frames, note
        self.frames[note] = self._socket.arrived()

    async def publishes(self, note: str) -> SessionId:
        """Up to the answer."""
        await self.say("publish", note)
        await self.say("takeConfiguration", f"{note}: offer")
        return self.c.origin.published[-1].session

    async def plays(self, note: str) -> tuple[FakeMediaNode, SessionId]:
        """Up to the answer."""
        known = {request.session for request in self.c.played}
        await self.say("play", note)
        (session,) = {request.session for request in self.c.played} - known
        await self.say("takeConfiguration", f"{note}: answer", type="answer", sdp=ANSWER)
        return self.c.edge_of(session), session


async def nonsense(r: Recorder) -> None:
    for note, frame in NO_FRAMES.items():
        async with r.socket():
            await r.send(note, frame)
    async with r.socket():
        await r.send("too large", json.dumps({"command": "ping", "x": "x" * MAX_FRAME_BYTES}))


async def nothing_is_live(r: Recorder) -> None:
    for command in COMMANDS:
        async with r.socket():
            await r.say(command)
            for note, stream in NO_STREAM.items():
                await r.say(command, note, stream)


async def publishing(r: Recorder) -> None:
    async with r.socket():
        session = await r.publishes("a good one")
        await r.say("publish", "again")
        await r.c.origin.tell(session, state=SessionState.CONNECTED)
        await r.came("its connection")
        await r.c.origin.tell(session, state=SessionState.MEDIA)
        await r.came("its media")
        await r.say("takeConfiguration", "another offer")
        await r.say("takeConfiguration", "a broken offer", sdp="broken")
        await r.say("takeConfiguration", "no offer", sdp=None)
        await r.say("takeConfiguration", "an answer", type="answer")
        for note, candidate in (("a good", "candidate:1 1 udp 1 192.0.2.1 9 typ host"), ("a bad", "x"), ("no", 5)):
            await r.say("takeCandidate", f"{note} candidate", candidate=candidate)
        for command in ("forceStreamQuality", "toggleVideo", "toggleAudio"):
            await r.say(command, "of a publisher")
        await r.say("stop", "of a publisher")
        await r.say("stop", "again")
        await r.say("publish", "with names", "s2", subscriberId="ada", streamName="A show", metaData={"a": 1})
        await r.say("takeConfiguration", "first an answer", "s2", type="answer")
        await r.say("stop", "before the offer", "s2")
        r.c.origin.restored = True
        session = await r.publishes("restored")
        await r.c.origin.tell(session, state=SessionState.MEDIA)
        await r.came("its media, restored")


async def playing(r: Recorder) -> None:
    await r.c.go_live()
    async with r.socket():
        edge, session = await r.plays("a good one")
        await r.say("play", "again")
        await edge.tell(session, state=SessionState.CONNECTED)
        await r.came("its connection")
        await edge.tell(
            session, stream_height=720, target_bitrate_bps=900_000, video_bitrate_bps=1, audio_bitrate_bps=2
        )
        await r.came("figures")
        await edge.tell(session, stream_height=360)
        await r.came("another height")
        await edge.tell(session, stream_height=360)
        await r.came("the same height again")
        for height in (360, "360", "auto", 0, -1, "many", None):
            await r.say("forceStreamQuality", f"{height!r}", streamHeight=height)
        for enabled in (True, "false", "perhaps", None):
            await r.say("toggleVideo", f"{enabled!r}", enabled=enabled)
            await r.say("enableTrack", f"{enabled!r}", enabled=enabled)
        await r.say("enableTrack", "no track", trackId=None)
        await r.say("toggleAudio", "another track", trackId="none")
        for said in (321, -1, "soon", None):
            await r.say("firstFrame", f"{said!r}", firstFrameMs=said)
        await r.say("takeConfiguration", "an offer of a viewer")
        await r.say("takeConfiguration", "a second answer", type="answer", sdp=ANSWER)
        await r.say("stop", "of a viewer")
    async with r.socket():
        await r.say("play", "for a broken answer")
        await r.say("takeConfiguration", "a broken answer", type="answer", sdp="broken")


async def waiting(r: Recorder) -> None:
    async with r.socket():
        await r.say("play", "nothing is live")
        await r.say("play", "still nothing is live")
        await r.c.go_live()
        await r.came("the stream is live")
        edge, session = await r.plays("now")
        await edge.tell(session, state=SessionState.CONNECTED)
        await r.came("now: its connection")
        await r.say("play", "another that is not live", "s2")
        await r.say("stop", "waiting for another", "s2")
        await r.c.go_live("s2")
        await r.came("the other is live")


async def questions(r: Recorder) -> None:
    await r.c.go_live()
    await r.c.go_live("s2", media_flowing=False, tracks=(), name="")
    r.c.report(r.c.edges[0], viewers=4)
    async with r.socket():
        for command in sorted(QUESTIONS):
            await r.say(command, "live")
            await r.say(command, "no media yet", "s2")


async def ends_of_viewers(r: Recorder) -> None:
    for running in (False, True):
        for reason in EndReason:
            await r.c.go_live()
            name = f"{reason.value}, {'running' if running else 'connecting'}"
            async with r.socket():
                edge, session = await r.plays(name)
                if running:
                    await edge.tell(session, state=SessionState.CONNECTED)
                    await r.came(f"{name}: started")
                await edge.tell(session, state=SessionState.CLOSED, reason=reason)
                await r.came(f"{name}: closed")


async def ends_of_publishers(r: Recorder) -> None:
    for running in (False, True):
        for reason in EndReason:
            name = f"{reason.value}, {'running' if running else 'connecting'}"
            async with r.socket():
                session = await r.publishes(name)
                if running:
                    await r.c.origin.tell(session, state=SessionState.MEDIA)
                    await r.came(f"{name}: started")
                await r.c.origin.tell(session, state=SessionState.CLOSED, reason=reason)
                await r.came(f"{name}: closed")


async def refusals(r: Recorder) -> None:
    for code in ErrorCode:
        await r.c.go_live()
        for node in (r.c.origin, *r.c.edges):
            node.refusal = RillcastError(code, "a reason in words")
        async with r.socket():
            await r.say("play", code.value)
            await r.say("publish", code.value, "s2")
            await r.say("takeConfiguration", code.value, "s2")


async def leaving_nodes(r: Recorder) -> None:
    await r.c.go_live()
    async with r.socket():
        edge, session = await r.plays("before")
        (other,) = set(r.c.edges) - {edge}
        await edge.tell(session, state=SessionState.CONNECTED)
        await r.came("before: its connection")
        publisher = await r.publishes("a publisher")
        await r.c.origin.tell(publisher, state=SessionState.MEDIA)
        await r.came("a publisher: its media")
        r.c.report(edge, ready=False, draining=True)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)
        await r.came("the edge drains")
        await r.say("takeConfiguration", "the answer to the other edge", type="answer", sdp=ANSWER)
        r.c.report(edge)
        for node, note in ((other, "the other edge leaves"), (r.c.origin, "the origin leaves")):
            r.c.host.directory.left(NodeLeft(node=node.name, kind=node.kind))
            await r.came(note)


async def locks(r: Recorder) -> None:
    await r.c.go_live()
    async with r.c.http() as http:
        secret = {"jwtStreamSecretKey": SECRET, "playJwtControlEnabled": True, "publishJwtControlEnabled": True}
        assert (await http.post("/rest/v2/applications/settings/live", json=secret)).status_code == 200
    good = {role: jwt.encode({"streamId": "s1", "type": role}, SECRET, "HS256") for role in ("play", "publish")}
    for command in ("play", "publish", "getStreamInfo", "getBroadcastObject", "getSubscriberCount"):
        await r.c.go_live()
        role = "publish" if command == "publish" else "play"
        for note, token in (("no token", ""), ("a bad token", "x"), ("a token", good[role]), ("no text", 5)):
            async with r.socket():
                await r.say(command, note, token=token)
    async with r.socket():
        await r.say("getIceServerConfig", "before anybody was let in")


async def limits(r: Recorder) -> None:
    async with r.socket():
        for number in range(SETTINGS["max_streams_per_socket"] + 1):
            await r.say("publish", f"number {number}", f"s{number}")


async def the_end(r: Recorder) -> None:
    await r.c.go_live()
    async with r.socket():
        edge, session = await r.plays("before")
        await edge.tell(session, state=SessionState.CONNECTED)
        await r.came("before: its connection")
        draining = asyncio.gather(*(hook() for hook in r.c.host.drain_hooks))
        await r.came("this instance drains")
        await asyncio.sleep(60)
        await r.came("a minute later")
        await draining


async def doors(r: Recorder) -> None:
    for path in ("/none/websocket", "/LiveApp/websocket", "/live/websocket", "/a%20b/websocket", "/live/none", *DOORS):
        try:
            async with r.socket(path):
                await r.say("ping", path)
        except Denied as denied:
            r.frames[path] = [f"denied with {denied.status}"]


SCENES: dict[str, Callable[[Recorder], Awaitable[None]]] = {
    scene.__name__: scene
    for scene in (
        nonsense,
        nothing_is_live,
        publishing,
        playing,
        waiting,
        questions,
        ends_of_viewers,
        ends_of_publishers,
        refusals,
        leaving_nodes,
        locks,
        limits,
        the_end,
        doors,
    )
}


@pytest.fixture(scope="module")
def recorded() -> Iterator[dict[str, Any]]:
    """What each scene is to bring; written anew when recording."""
    known: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    yield known
    if "RECORD" in os.environ:
        RECORDED.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("scene", SCENES)
async def test_every_frame_is_as_recorded(scene: str, recorded: dict[str, Any]) -> None:
    frames: dict[str, list[str]] = {}
    async with cluster(**SETTINGS) as c:
        await SCENES[scene](Recorder(c, frames))
    if "RECORD" in os.environ:
        recorded[scene] = frames
    assert frames == recorded[scene]
