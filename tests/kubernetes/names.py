"""Names of Services for pods, and the way in for clients: what a cluster has a DNS server and an Ingress for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.e2e.instances import door
from tests.kubernetes.api import Api
from tests.kubernetes.control_plane import LIVE

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{LIVE}/endpointslices"
SERVICE_LABEL = "kubernetes.io/service-name"
EVERY_S = 0.25
HTTP_PORT = 5080


class Names:
    """Which addresses each Service has."""

    def __init__(self, api: Api, file: Path) -> None:
        """`file`: as /etc/hosts, which all pods see as theirs."""
        self._api, self.file = api, file
        self.signaling: list[tuple[str, int]] = []
        """Where those instances are that take clients: the door leads to the first of them."""
        self.way_in = ""
        """The URL of the door."""
        self._write({})

    async def follow(self, service: str) -> None:
        """Until it is cancelled. `service`: that of signaling."""
        while True:
            with suppress(httpx.HTTPError):
                await self._look(service)
            await asyncio.sleep(EVERY_S)

    async def _look(self, service: str) -> None:
        found: dict[str, list[str]] = {}
        for one in await self._api.items(SLICES):
            name = one["metadata"]["labels"].get(SERVICE_LABEL, "")
            for endpoint in one.get("endpoints") or []:
                if endpoint["conditions"].get("ready"):
                    found.setdefault(name, []).extend(endpoint["addresses"])
        self.signaling[:] = [(address, HTTP_PORT) for address in sorted(found.get(service, []))]
        self._write(found)

    def _write(self, found: dict[str, list[str]]) -> None:
        """In place: pods see this very file."""
        lines = ["127.0.0.1 localhost"]
        for service, addresses in sorted(found.items()):
            lines += [f"{address} {service} {service}.{LIVE} {service}.{LIVE}.svc" for address in sorted(addresses)]
        text = "\n".join(lines) + "\n"
        if not self.file.exists() or self.file.read_text() != text:
            self.file.write_text(text)


@asynccontextmanager
async def names(api: Api, file: Path, service: str) -> AsyncIterator[Names]:
    """Kept until the end of the block, with a door for clients."""
    made = Names(api, file)
    async with AsyncExitStack() as stack:
        following = asyncio.create_task(made.follow(service))
        made.way_in = f"http://127.0.0.1:{await stack.enter_async_context(door(made.signaling))}"
        try:
            yield made
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
