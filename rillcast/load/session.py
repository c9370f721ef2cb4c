"""How a generated peer joins: WHEP, WHIP or the Ant Media WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
import websockets

from rillcast.contracts.errors import RillcastError
from rillcast.load.description import Agreed, LocalPeer, PublishedTrack, agreed, publish_offer, view_answer, view_offer

AT_ONCE = 64
"""Sessions that are left at one time where no rate is asked for."""


class Refused(Exception):
    """The server said no; the text says what it said."""


OnOffer = Callable[[str], str]
"""Answers what a server offers to a peer later on. Raises RillcastError on nonsense."""


class JoinProtocol(Protocol):
    """One protocol by which a peer joins a server: WHIP and WHEP, or Ant Media's WebSocket."""

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        """`on_offer`: called for each later offer, where the protocol has such."""
        ...

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed: ...

    def ended(self) -> Mapping[str, int]:
        """How many peers the server has sent away since they joined, by why, as far as the protocol says so."""
        ...

    async def close(self) -> None:
        """Leave every session opened here."""
        ...


class HttpJoin:
    """WHEP and WHIP. For publishing, the last path segment is replaced by the stream's name."""

    def __init__(self, url: str, token: str = "", connections: int = 64, leave_rate: float = 0.0) -> None:
        """`leave_rate`: see `joining`."""
        self._url = url
        self._leave_rate = leave_rate
        headers = {"content-type": "application/sdp"} | ({"authorization": f"Bearer {token}"} if token else {})
        # aiohttp rather than httpx: httpx's pool looks at every connection and waiting request for each request.
        self._http = aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(limit=connections), timeout=aiohttp.ClientTimeout(total=30)
        )
        self._resources: list[str] = []

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        return agreed(await self._post(self._url, view_offer(local)))

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed:
        answer = await self._post(urljoin(self._url, stream), publish_offer(local, tracks))
        if sum(t.video for t in tracks) > 1 and "a=simulcast:recv" not in answer:
            raise Refused("the server takes no simulcast")
        return agreed(answer)

    def ended(self) -> Mapping[str, int]:
        return {}  # HTTP tells nobody afterwards

    async def _post(self, url: str, offer: str) -> str:
        try:
            async with self._http.post(url, data=offer) as answer:
                text, status, location = await answer.text(), answer.status, answer.headers.get("location")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(f"{type(error).__name__} {error}".strip()) from error
        if status != HTTPStatus.CREATED:
            raise Refused(f"{status} {text[:120]}")
        if location:
            self._resources.append(urljoin(url, location))
        return text

    async def close(self) -> None:
        async def leave(resource: str) -> None:
            try:
                async with self._http.delete(resource):
                    return
            except (aiohttp.ClientError, TimeoutError):
                return  # the server is gone, and the session with it

        try:
            await leave_all([partial(leave, resource) for resource in self._resources], self._leave_rate)
        finally:
            await self._http.close()


class AntMediaJoin:
    """The Ant Media WebSocket protocol, one socket per viewer."""

    def __init__(self, url: str, stream: str, token: str = "", leave_rate: float = 0.0) -> None:
        """`leave_rate`: see `joining`."""
        self._url, self._stream, self._token = url, stream, token
        self._leave_rate = leave_rate
        self._sockets: list[websockets.ClientConnection] = []
        self._following: list[asyncio.Task[None]] = []
        self._ended: Counter[str] = Counter()
        self.heard: dict[int, float] = {}
        """When each viewer's socket last said something (monotonic), in the order in which they joined. The server
        tells every 5 s what it knows of a session."""

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        try:
            async with asyncio.timeout(15):
                socket = await websockets.connect(self._url, ping_interval=None)
                self._sockets.append(socket)
                await socket.send(json.dumps({"command": "play", "streamId": self._stream, "token": self._token}))
                while True:
                    message = json.loads(await socket.recv())
                    if message.get("command") == "error":
                        raise Refused(str(message.get("definition")))
                    if message.get("command") == "takeConfiguration":
                        break
                sdp, found = view_answer(local, message["sdp"])
                await socket.send(self._answer(sdp))
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            raise Refused(f"{type(error).__name__} {error}".strip()) from error
        self._following.append(asyncio.create_task(self._follow(socket, on_offer)))
        return found

    def _answer(self, sdp: str) -> str:
        answer = {"command": "takeConfiguration", "streamId": self._stream, "type": "answer", "sdp": sdp}
        return json.dumps(answer)

    def ended(self) -> Mapping[str, int]:
        return self._ended

    async def _follow(self, socket: websockets.ClientConnection, on_offer: OnOffer | None) -> None:
        """Read to the end: a socket whose queue is full reads no pings either, and the server gives it up."""
        finished, number = False, len(self.heard)
        self.heard[number] = time.monotonic()
        try:
            async for frame in socket:
                message = json.loads(frame)
                self.heard[number] = time.monotonic()
                if on_offer and message.get("command") == "takeConfiguration" and message.get("type") == "offer":
                    await socket.send(self._answer(on_offer(message["sdp"])))
                if not finished and (message.get("command") == "error" or message.get("definition") == "play_finished"):
                    finished = True
                    self._ended[str(message.get("definition"))] += 1
        except websockets.ConnectionClosedError:
            pass  # by a code that says why
        except RillcastError as error:
            finished = True
            self._ended[f"an offer that has no answer: {error}"] += 1
        if not finished:
            self._ended[f"its socket closed with {socket.close_code}"] += 1

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed:
        raise Refused("publishing is done over WHIP: give the http:// URL")

    async def close(self) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await leave_all([socket.close for socket in self._sockets], self._leave_rate)


async def leave_all(leaves: Sequence[Callable[[], Awaitable[None]]], rate: float) -> None:
    """Leave every session, so many in a second. `rate`: see `joining`. What goes wrong at one changes nothing for the
    others."""
    if rate <= 0:
        for start in range(0, len(leaves), AT_ONCE):
            await asyncio.gather(*(leave() for leave in leaves[start : start + AT_ONCE]), return_exceptions=True)
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    leaving = []
    for number, leave in enumerate(leaves):
        await asyncio.sleep(began + number / rate - loop.time())
        leaving.append(asyncio.ensure_future(leave()))
    await asyncio.gather(*leaving, return_exceptions=True)


def joining(url: str, stream: str, token: str, leave_rate: float = 0.0) -> JoinProtocol:
    """By the scheme: ``http(s)://…/whep/ID`` or ``ws(s)://…/websocket`` with `stream`. `leave_rate`: how many sessions
    are left per second in the end; 0 = `AT_ONCE`, then as many again."""
    scheme = urlsplit(url).scheme
    if scheme in ("http", "https"):
        return HttpJoin(url, token, leave_rate=leave_rate)
    if scheme in ("ws", "wss"):
        if not stream:
            raise Refused("a ws:// URL needs --stream")
        return AntMediaJoin(url, stream, token, leave_rate)
    raise Refused(f"{url}: http, https, ws or wss expected")
