"""Two signaling instances of one cluster in one process: one bus, one store, and each hears of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName
from rillcast.contracts.messages import NodeLeft, NodeLoad, NodeReport
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind
from services.signaling.app import Signaling
from services.signaling.config import SignalingSettings
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import LIVE, OFFER, FakeHost, info
from tests.unit.signaling.signaling_harness import Cluster


class Pair(Cluster):
    """A cluster with a second signaling instance."""

    other: Signaling

    def __init__(self, settings: SignalingSettings) -> None:
        super().__init__(settings)
        self.other_host = FakeHost(self.broker)
        self.other_host.info = info("signaling-2", NodeKind.SIGNALING)
        self.other_host.buckets, self.other_host.queues = self.host.buckets, self.host.queues

    def instance(self, number: int) -> Signaling:
        """The first instance, or the second."""
        return self.service if number == 1 else self.other

    def settings_at(self, number: int, app: AppName) -> AppSettings:
        """An app's settings as one of the two knows them."""
        settings = self.instance(number).core.apps.settings(app)
        assert settings is not None
        return settings

    def at(self, number: int) -> httpx.AsyncClient:
        """An operator at one of the two."""
        token = self.instance(number).operators.local_token
        return self._client(number, {"ProxyAuthorization": f"Bearer {token}"})

    def _client(self, number: int, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.instance(number).asgi)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080", headers=headers)

    async def protect(self, **settings: Any) -> None:
        """Set the app's settings, and wait until both instances know them."""
        value = msgspec.json.encode({"appName": "live", **settings})
        await self.host.buckets[subjects.BUCKET_APPS].put("live", value)
        wanted = msgspec.json.decode(value, type=AppSettings)
        await self.sees(lambda: all(one.core.apps.settings(LIVE) == wanted for one in (self.service, self.other)))

    async def whip(self, number: int, token: str = "", kind: str = "whip", **query: str) -> httpx.Response:
        """Publish, or play by ``whep``, at an instance."""
        headers = {"Content-Type": "application/sdp"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._client(number, {}) as http:
            return await http.post(f"/live/{kind}/s1", content=OFFER, headers=headers, params=query)

    def hear_of_each_other(self) -> None:
        for host, peer in ((self.host, self.other_host), (self.other_host, self.host)):
            host.directory.heard(NodeReport(info=peer.info, load=NodeLoad(), ready=True))
            for node in (self.origin, *self.edges):
                host.directory.heard(NodeReport(info=info(node.name, node.kind), load=NodeLoad(), ready=True))

    def other_dies(self) -> None:
        """Its process is gone, and another one has its name."""
        gone = self.other_host.info
        self.host.directory.left(NodeLeft(node=gone.node, kind=gone.kind, incarnation=gone.incarnation))
        self.host.directory.heard(
            NodeReport(info=msgspec.structs.replace(gone, incarnation="next"), load=NodeLoad(), ready=True)
        )


@asynccontextmanager
async def pair(**settings: Any) -> AsyncIterator[Pair]:
    """Both instances, running."""
    both = Pair(SignalingSettings(**settings))
    async with both.running():
        both.other = await Signaling.build(both.settings, both.other_host, read_files(both.settings))
        both.hear_of_each_other()
        try:
            yield both
        finally:
            both.other.operators.hashes.close()
            await both.other.core.tasks.close()
            await both.other_host.close()
