"""The probes of a container, as a kubelet asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from tests.kubernetes.api import Json
from tests.kubernetes.container import Container


class Probes:
    """Of one container. `follow` says what they find."""

    def __init__(self, container: Json, running: Container, address: str, http: httpx.AsyncClient) -> None:
        self._container, self._running, self._address, self._http = container, running, address, http

    async def follow(self, ready: Callable[[bool], None]) -> None:
        """Call `ready` whenever that changes. Returns when the container has to be started anew."""
        if not await self._started():
            return
        async with asyncio.TaskGroup() as tasks:
            readiness = tasks.create_task(self._readiness(ready))
            await self._dies()
            readiness.cancel()

    async def _started(self) -> bool:
        probe = self._container.get("startupProbe")
        if probe is None:
            return True
        for _ in range(probe["failureThreshold"]):
            if await self._ask(probe):
                return True
            await asyncio.sleep(probe["periodSeconds"])
        return False

    async def _readiness(self, ready: Callable[[bool], None]) -> None:
        probe = self._container.get("readinessProbe")
        if probe is None:
            ready(True)
            return
        failed = 0
        while True:
            failed = 0 if await self._ask(probe) else failed + 1
            if failed == 0:
                ready(True)
            elif failed >= probe["failureThreshold"]:
                ready(False)
            await asyncio.sleep(probe["periodSeconds"])

    async def _dies(self) -> None:
        probe = self._container.get("livenessProbe")
        if probe is None:
            await asyncio.Event().wait()
            return
        failed = 0
        while failed < probe["failureThreshold"]:
            await asyncio.sleep(probe["periodSeconds"])
            failed = 0 if await self._ask(probe) else failed + 1

    async def _ask(self, probe: Json) -> bool:
        if "exec" in probe:
            return await self._running.run(probe["exec"]["command"], probe["timeoutSeconds"])
        wish = probe["httpGet"]
        ports = {one["name"]: one["containerPort"] for one in self._container["ports"]}
        url = f"http://{self._address}:{ports[wish['port']]}{wish['path']}"
        try:
            answer = await self._http.get(url, timeout=probe["timeoutSeconds"])
        except httpx.HTTPError:
            return False
        return 200 <= answer.status_code < 400
