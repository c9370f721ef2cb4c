"""The cluster of the unit tests with its signaling instance on a real port, asked over real sockets."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trustme
from websockets.asyncio.client import connect

from rillcast.runtime.http.certificate import KeyPair, ServerCertificate
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.http.tls import TlsListener
from services.signaling.app import http_limits, http_options
from services.signaling.config import SignalingSettings
from tests.unit.signaling.signaling_harness import Client, Cluster


class WireCluster(Cluster):
    """Fakes for bus, store and nodes; uvicorn and TCP for the clients."""

    def __init__(self, settings: SignalingSettings) -> None:
        super().__init__(settings)
        self.port = self.tls_port = 0
        self.authority = trustme.CA()

    @property
    def trust(self) -> ssl.SSLContext:
        """Of whoever comes by TLS."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serves meanwhile, with the options and the limits of the service, also by TLS."""
        listener = TlsListener(bind("127.0.0.1", 0, "test"), self._certificate())
        server = HttpServer(
            self.service.asgi, bind("127.0.0.1", 0, "test"), http_limits(self.settings), tls=listener, **http_options()
        )
        await server.start()
        self.port, self.tls_port = server.port, listener.sock.getsockname()[1]
        try:
            yield
        finally:
            await server.stop()

    def _certificate(self) -> ServerCertificate:
        leaf = self.authority.issue_cert("127.0.0.1")
        shown = ServerCertificate()
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        shown.use(KeyPair(chain, leaf.private_key_pem.bytes()))
        return shown

    def stranger(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60, **options)

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
