"""Names of Services for pods, and the way in for clients: what a cluster has a DNS server and an Ingress for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from tests.e2e.instances import door
from tests.kubernetes.api import Api, Json
from tests.kubernetes.control_plane import LIVE

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{LIVE}/endpointslices"
SERVICE_LABEL = "kubernetes.io/service-name"
METRICS_LABEL, METRICS_PORT = "rillcast/metrics", "admin"
TARGETS = "targets.json"
EVERY_S = 0.25
HTTP_PORT = 5080


class Names:
    """Which addresses each Service has."""

    def __init__(self, api: Api, file: Path, targets: Path) -> None:
        """`file`: as /etc/hosts, which all pods see as theirs. `targets`: what Prometheus reads, as a ServiceMonitor
        makes its operator tell it."""
        self._api, self.file, self.targets = api, file, targets
        self.signaling: list[tuple[str, int]] = []
        """Where those instances are that take clients: the door leads to the first of them."""
        self.way_in = ""
        """The URL of the door."""
        self._tell({})

    async def follow(self, service: str) -> None:
        """Until it is cancelled. `service`: that of signaling."""
        while True:
            with suppress(httpx.HTTPError):
                await self._look(service)
            await asyncio.sleep(EVERY_S)

    async def _look(self, service: str) -> None:
        found: dict[str, list[str]] = {}
        slices = await self._api.items(SLICES)
        _write(self.targets, msgspec.json.encode(sorted(_targets(slices), key=str)).decode())
        for one in slices:
            name = one["metadata"]["labels"].get(SERVICE_LABEL, "")
            for endpoint in one.get("endpoints") or []:
                if endpoint["conditions"].get("ready"):
                    found.setdefault(name, []).extend(endpoint["addresses"])
        self.signaling[:] = [(address, HTTP_PORT) for address in sorted(found.get(service, []))]
        self._tell(found)

    def _tell(self, found: dict[str, list[str]]) -> None:
        lines = ["127.0.0.1 localhost"]
        for service, addresses in sorted(found.items()):
            lines += [f"{address} {service} {service}.{LIVE} {service}.{LIVE}.svc" for address in sorted(addresses)]
        _write(self.file, "\n".join(lines) + "\n")


def _write(file: Path, text: str) -> None:
    """In place: pods see this very file."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def _targets(slices: list[Json]) -> Iterator[Json]:
    """The pods behind the Services that the chart's ServiceMonitor selects, at its port."""
    for one in slices:
        port = next((port["port"] for port in one.get("ports") or [] if port["name"] == METRICS_PORT), None)
        if one["metadata"]["labels"].get(METRICS_LABEL) != "true" or port is None:
            continue
        for endpoint in one.get("endpoints") or []:
            labels = {"namespace": LIVE, "pod": endpoint["targetRef"]["name"]}
            yield {"targets": [f"{address}:{port}" for address in endpoint["addresses"]], "labels": labels}


@asynccontextmanager
async def names(api: Api, file: Path, targets: Path, service: str) -> AsyncIterator[Names]:
    """Kept until the end of the block, with a door for clients."""
    made = Names(api, file, targets)
    async with AsyncExitStack() as stack:
        following = asyncio.create_task(made.follow(service))
        made.way_in = f"http://127.0.0.1:{await stack.enter_async_context(door(made.signaling))}"
        try:
            yield made
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
