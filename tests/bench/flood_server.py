"""One signaling instance as `tests.bench.floods` floods it: with its real listeners, and a cluster made of fakes.

    python tests/bench/flood_server.py

Run by its file, with PYTHONPATH naming the code that is measured. Prints its two ports as JSON, and serves until its
standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme
import uvloop

from rillcast.runtime.http.certificate import KeyPair, ServerCertificate
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.http.tls import TlsListener
from rillcast.runtime.process.garbage_collection import collect_in_portions
from services.signaling.app import http_limits, http_options
from services.signaling.config import SignalingSettings
from tests.unit.signaling.signaling_harness import Cluster


def certificate(key_type: str) -> ServerCertificate:
    """For this machine, by an authority that nobody knows."""
    leaf = trustme.CA().issue_cert("127.0.0.1", key_type=trustme.KeyType[key_type])
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    shown = ServerCertificate()
    shown.use(KeyPair(chain, leaf.private_key_pem.bytes()))
    return shown


class Listening(Cluster):
    """A cluster whose signaling has its real listeners."""

    def __init__(self, settings: SignalingSettings, tls: TlsListener) -> None:
        super().__init__(settings)
        self._tls = tls

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve, and say where."""
        limits, options = http_limits(self.settings), http_options()
        server = HttpServer(self.service.asgi, bind("127.0.0.1", 0, "PORT"), limits, tls=self._tls, **options)
        await server.start()
        print(json.dumps({"plain": server.port, "encrypted": self._tls.sock.getsockname()[1]}), flush=True)
        yield
        await server.stop()


async def serve(key_type: str) -> None:
    # Loopback counts as any other network, or no limit of an address would hold.
    settings = SignalingSettings(unlimited_networks="")
    listener = TlsListener(bind("127.0.0.1", 0, "TLS_PORT"), certificate(key_type))
    async with Listening(settings, listener).running() as cluster:
        await cluster.go_live("s1")
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    collect_in_portions()
    uvloop.run(serve(sys.argv[1] if len(sys.argv) > 1 else "ECDSA"))


if __name__ == "__main__":
    main()
