"""Holding a lifeline to another node: see `rillcast.runtime.process.lifelines`, which is the other end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import StrEnum

import aiohttp
import msgspec

from rillcast.contracts.fields import Word
from rillcast.contracts.messages import NodeInfo
from rillcast.runtime.keepalive import KeepAlive, silent_s

FAREWELL = b"left\n"
"""The end of the answer, when the node leaves in order."""
HELLO_S = 2.0
"""How long the beginning of the answer may take."""
MOST_BYTES = 1_024
"""A longer answer is not one of ours."""
KEEP_ALIVE = KeepAlive(idle_s=1, every_s=1, give_up_s=3.0)
"""Some 120 bytes a second each way, of which no process hears."""
STALE_S = 1.4
"""A lifeline whose other end has confirmed nothing for this long says nothing any more: the kernel asks each second."""


class Hello(msgspec.Struct, frozen=True):
    """The first line of the answer, as JSON."""

    node: Word
    incarnation: Word


class Ended(StrEnum):
    """How a lifeline ended."""

    LEFT = "left"
    """The node said goodbye."""
    LOST = "lost"
    """It broke off without a goodbye."""
    REFUSED = "refused"
    """There was none: the node has too many, or does not know what it is."""
    STRANGER = "stranger"
    """Somebody else answered there, or a later process of the node."""
    FAILED = "failed"
    """No connection came about, or no answer."""


class Lifeline:
    """One attempt. `hold` is called once."""

    def __init__(self, info: NodeInfo) -> None:
        self._info = info
        self._sock: socket.socket | None = None
        self._held = False

    @property
    def held(self) -> bool:
        """Whether it is open to the process that is meant."""
        return self._held

    @property
    def fresh(self) -> bool:
        """Whether it is open, and the other machine has confirmed that of late."""
        if not self._held or self._sock is None:
            return False
        silent = silent_s(self._sock)
        return silent is None or silent < STALE_S

    async def hold(self, on_held: Callable[[], None]) -> Ended:
        """Return when it has ended. `on_held` is called when it is open. A connection is closed on every way out."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=HELLO_S)
        connector = aiohttp.TCPConnector(limit=1, force_close=True, socket_factory=self._socket)
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=limits, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            ) as http:
                return await self._hold(http, on_held)
        except (aiohttp.ClientError, OSError, EOFError, ValueError):
            return Ended.LOST if self._held else Ended.FAILED
        finally:
            self._held = False

    async def _hold(self, http: aiohttp.ClientSession, on_held: Callable[[], None]) -> Ended:
        async with asyncio.timeout(HELLO_S):
            answer = await http.get(f"http://{self._info.admin_address}/lifeline", allow_redirects=False)
        async with answer:
            if answer.status != 200 or not len(FAREWELL) < (answer.content_length or 0) <= MOST_BYTES:
                return Ended.REFUSED
            hello_bytes = (answer.content_length or 0) - len(FAREWELL)
            try:
                async with asyncio.timeout(HELLO_S):
                    hello = msgspec.json.decode(await answer.content.readexactly(hello_bytes), type=Hello)
            except msgspec.MsgspecError:
                return Ended.REFUSED
            if (hello.node, hello.incarnation) != (self._info.node, self._info.incarnation):
                return Ended.STRANGER
            self._held = True
            on_held()
            last_words = await answer.content.readexactly(len(FAREWELL))
            return Ended.LEFT if last_words == FAREWELL else Ended.LOST

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        self._sock = sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        KEEP_ALIVE.apply(sock)
        return sock
