"""The cluster of the unit tests with its signaling instance on a real port, asked over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import connect

from rillcast.runtime.http.server import HttpServer, bind
from services.signaling.app import http_options
from services.signaling.config import SignalingSettings
from tests.unit.signaling.signaling_harness import Client, Cluster


class WireCluster(Cluster):
    """Fakes for bus, store and nodes; uvicorn and TCP for the clients."""

    def __init__(self, settings: SignalingSettings) -> None:
        super().__init__(settings)
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serves meanwhile, with the options of the service."""
        server = HttpServer(self.service.asgi, bind("127.0.0.1", 0, "test"), **http_options())
        await server.start()
        self.port = server.port
        try:
            yield
        finally:
            await server.stop()

    def stranger(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=5, **options)

    @asynccontextmanager
    async def client(self, path: str = "/live/websocket?target=edge", cookie: str = "") -> AsyncIterator[Client]:
        headers = {"Cookie": cookie} if cookie else {}
        url = f"ws://127.0.0.1:{self.port}{path}"
        async with connect(url, proxy=None, max_size=None, additional_headers=headers) as socket:
            yield Client(socket)


@asynccontextmanager
async def wire_cluster(**settings: Any) -> AsyncIterator[WireCluster]:
    """A running cluster that listens."""
    cluster = WireCluster(SignalingSettings(**settings))
    async with cluster.running():
        yield cluster
