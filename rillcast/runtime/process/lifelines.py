"""Lifelines that others hold to this node: connections on which nothing is said, so that their end says something.

``GET /lifeline`` is answered with who this process is, and the rest of the answer comes only when the node leaves in
order. The kernel closes the connection at once when the process ends in any other way. The answer has a fixed length,
so whoever reads it sees whether it is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec

from rillcast.contracts.messages import NodeInfo
from rillcast.runtime import metrics
from rillcast.runtime.discovery.lifeline import FAREWELL, Hello
from rillcast.runtime.http.last_words import Receive, Send
from rillcast.runtime.http.places import Place, Places
from rillcast.runtime.http.protocol import PLACE

_CLOSE_S = 1.0
"""For the last words. A lifeline that is still open then is cut with the listener."""


class Lifelines:
    """The ASGI app behind ``/lifeline``. One per node. They take none of the places that probes have at the listener,
    and one that is refused is answered 503 and counted."""

    def __init__(self, info: Callable[[], NodeInfo], places: Places) -> None:
        """`places`: how many there may be, and how many from one address."""
        self.info = info
        """Who this node is."""
        self.up_s: Callable[[], float | None] = lambda: None
        """For how many seconds this process has been the one with its node id, None before it is."""
        self._places = places
        self._over = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._open = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await _refuse(send, 405, b"%s does nothing here\n" % scope["method"].encode())
            return
        place = self._places.take(scope["client"][0], lambda: None)
        if self._over.is_set() or not isinstance(place, Place):
            metrics.LIFELINES_REFUSED.labels(place if isinstance(place, str) else "leaving").inc()
            if isinstance(place, Place):
                place.leave()
            await _refuse(send, 503, b"no more lifelines here\n")
            return
        place.busy()
        if (listener_place := scope["state"].get(PLACE)) is not None:
            listener_place.leave()
        self._count(1)
        try:
            await self._hold(receive, send)
        finally:
            place.leave()
            self._count(-1)

    async def close(self) -> None:
        """The node leaves in order: say so on each lifeline. Call once, when the sessions here are over."""
        self._over.set()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._none.wait()
        except TimeoutError:
            pass  # the listener cuts them

    async def _hold(self, receive: Receive, send: Send) -> None:
        info = self.info()
        hello = msgspec.json.encode(Hello(node=info.node, incarnation=info.incarnation)) + b"\n"
        length = str(len(hello) + len(FAREWELL)).encode()
        # What comes behind this request on its connection is never read.
        headers = [(b"content-type", b"text/plain"), (b"content-length", length), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": hello, "more_body": True})
        left = asyncio.ensure_future(_until_left(receive))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((left, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            over.cancel()
        if self._over.is_set():
            await send({"type": "http.response.body", "body": FAREWELL})

    def _count(self, more: int) -> None:
        self._open += more
        metrics.LIFELINES_SERVED.set(self._open)
        if self._open:
            self._none.clear()
        else:
            self._none.set()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int, words: bytes) -> None:
    length = str(len(words)).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", length), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})
