"""One pod: its volumes, its containers and their probes, what it tells the API server, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.kubernetes.api import STRATEGIC, Api, Json, Refused
from tests.kubernetes.container import Container, Mount, Outfit, expanded
from tests.kubernetes.control_plane import LIVE
from tests.kubernetes.network import HERE, Place
from tests.kubernetes.probes import Probes
from tests.kubernetes.volumes import field, furnish

CACHE = "PYTHONPYCACHEPREFIX"
AGAIN_S = 1.0
"""A container or a volume that failed is tried again after so long. A kubelet waits longer each time."""


class PodRun:
    """See the module."""

    def __init__(
        self, api: Api, pod: Json, places: tuple[Place, Place], *, folder: Path, logs: Path, names: Path
    ) -> None:
        """`places`: of the machine, and of the pod; the same for one in the network of its machine. `folder`: in
        memory. `names`: see `Outfit`."""
        self._api, self._pod, (self._machine, self.place) = api, pod, places
        self._folder, self._logs, self._names = folder, logs, names
        self.name: str = pod["metadata"]["name"]
        self.uid: str = pod["metadata"]["uid"]
        self.kind: str = pod["metadata"]["labels"].get("app.kubernetes.io/component", "")
        self.began = time.monotonic()
        self.restarts = 0
        self.asked_to_end: float | None = None
        self.killed: tuple[str, ...] = ()
        """Containers that still ran when their time was over."""
        self._http = httpx.AsyncClient(trust_env=False)
        self._running: dict[str, Container] = {}
        self._ready: dict[str, bool] = {one["name"]: False for one in pod["spec"]["containers"]}
        self._phase, self._initialized = "Pending", False
        self._changed = asyncio.Event()
        self._codes: dict[str, int] = {}

    @property
    def path(self) -> str:
        """Of its object."""
        return f"/api/v1/namespaces/{LIVE}/pods/{self.name}"

    async def run(self) -> None:
        """Until it has ended by itself, or `end` has ended it."""
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell_changes())
            try:
                await self._run()
            finally:
                telling.cancel()

    async def _run(self) -> None:
        self._changed.set()
        while True:
            try:
                volumes = await furnish(self._api, self._pod, self._folder / "volumes")
                break
            except (Refused, KeyError):
                await asyncio.sleep(AGAIN_S)
        for container in self._pod["spec"].get("initContainers") or []:
            while await self._once(container, volumes) != 0:
                self.restarts += 1
                await asyncio.sleep(AGAIN_S)
        self._initialized, self._phase = True, "Running"
        self._changed.set()
        containers = self._pod["spec"]["containers"]
        codes = await asyncio.gather(*(self._keep(container, volumes) for container in containers))
        self._phase = "Failed" if any(codes) else "Succeeded"
        await self._tell()

    async def _once(self, container: Json, volumes: dict[str, Path]) -> int:
        running = Container(container, self._outfit(container, volumes))
        self._running[running.name] = running
        await running.start()
        return await running.wait()

    async def _keep(self, container: Json, volumes: dict[str, Path]) -> int:
        """Start it again whenever it ends, unless the pod says otherwise."""
        name: str = container["name"]
        while True:
            running = Container(container, self._outfit(container, volumes))
            self._running[name] = running
            await running.start()
            self._changed.set()
            probes = asyncio.create_task(self._probe(container, running))
            try:
                code = await running.wait()
            finally:
                probes.cancel()
                await asyncio.wait([probes])
            if not probes.cancelled() and (error := probes.exception()):
                raise error
            self._set_ready(name, False)
            self._codes[name] = code
            if self.asked_to_end is not None or self._pod["spec"]["restartPolicy"] == "Never":
                return code
            self.restarts += 1
            await asyncio.sleep(AGAIN_S)

    async def _probe(self, container: Json, running: Container) -> None:
        probes = Probes(container, running, self.place.address, self._http)
        await probes.follow(lambda good: self._set_ready(container["name"], good))
        if self.asked_to_end is None:
            await running.kill()

    def _set_ready(self, name: str, good: bool) -> None:
        if self._ready[name] != good:
            self._ready[name] = good
            self._changed.set()

    def _outfit(self, container: Json, volumes: dict[str, Path]) -> Outfit:
        mounts = [
            Mount(volumes[one["name"]] / one.get("subPath", ""), _inside(one["mountPath"]))
            for one in sorted(container.get("volumeMounts") or [], key=lambda one: len(one["mountPath"]))
        ]
        name = container["name"]
        log = self._logs / f"{self.name}.{name}.log"
        own = self._folder / f"{name}-{time.monotonic_ns()}"
        return Outfit(self.place, own, self._names, log, mounts, self._environment(container))

    def _environment(self, container: Json) -> dict[str, str]:
        made = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ["PYTHONPATH"],
            "HOME": "/nonexistent",
            **({CACHE: os.environ[CACHE]} if CACHE in os.environ else {}),
            "KUBERNETES_SERVICE_HOST": HERE,
            "KUBERNETES_SERVICE_PORT": "6443",
        }
        for one in container.get("env") or []:
            made[one["name"]] = self._value(one, made)
        return made

    def _value(self, one: Json, before: dict[str, str]) -> str:
        if "valueFrom" not in one:
            return expanded(one.get("value", ""), before)
        path = one["valueFrom"]["fieldRef"]["fieldPath"]
        if path == "status.podIP":
            return self.place.address
        return field(self._pod, path)

    async def end(self, grace_s: float) -> None:
        """As a kubelet does: what its containers wish before, SIGTERM, SIGKILL when the time is over; then the object
        goes."""
        if self.asked_to_end is not None:
            return
        self.asked_to_end = time.monotonic()
        running = {one.name: one for one in self._running.values() if one.pid()}
        hooks = {one["name"]: one.get("lifecycle", {}).get("preStop") for one in self._pod["spec"]["containers"]}
        tasks = (self._end_one(one, hooks.get(name), grace_s) for name, one in running.items())
        killed = await asyncio.gather(*tasks)
        self.killed = tuple(name for name, by_force in zip(running, killed, strict=True) if by_force)

    async def _end_one(self, running: Container, hook: Json | None, grace_s: float) -> bool:
        """Whether it had to be killed."""
        try:
            async with asyncio.timeout(grace_s):
                if hook:
                    await running.run(hook["exec"]["command"], grace_s)
                running.signal(signal.SIGTERM)
                await running.wait()
        except TimeoutError:
            await running.kill()
            return True
        return False

    async def gone(self) -> None:
        """Have the object go, after the end. It may be gone already."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with suppress(Refused):
            await self._api.delete(self.path, {"kind": "DeleteOptions", "apiVersion": "v1", **body})

    async def kill(self) -> None:
        """All of it, at once; nobody is told."""
        await asyncio.gather(*(one.kill() for one in self._running.values()))
        await self._http.aclose()

    async def _tell_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()

    async def _tell(self) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = all(self._ready.values()) and self._phase == "Running"
        found = {"Initialized": self._initialized, "ContainersReady": ready, "Ready": ready}
        status = {
            "phase": self._phase,
            "hostIP": self._machine.address,
            "podIP": self.place.address,
            "podIPs": [{"ip": self.place.address}],
            "conditions": [
                {"type": kind, "status": str(value), "lastTransitionTime": now} for kind, value in found.items()
            ],
            "containerStatuses": [self._container_status(one, now) for one in self._pod["spec"]["containers"]],
        }
        try:
            await self._api.patch(f"{self.path}/status", {"status": status}, STRATEGIC)
        except Refused:
            pass  # its object is gone
        except httpx.HTTPError:
            await asyncio.sleep(AGAIN_S)
            self._changed.set()

    def _container_status(self, container: Json, now: str) -> Json:
        name = container["name"]
        running = self._running.get(name)
        if running is not None and running.pid():
            state: Json = {"running": {"startedAt": now}}
        elif self._phase in {"Succeeded", "Failed"}:
            state = {"terminated": {"exitCode": self._codes.get(name, 0), "reason": "Completed", "finishedAt": now}}
        else:
            state = {"waiting": {"reason": "PodInitializing"}}
        return {
            "name": name,
            "image": container["image"],
            "imageID": "",
            "ready": self._ready[name],
            "started": self._ready[name],
            "restartCount": self.restarts,
            "state": state,
        }


def _inside(path: str) -> str:
    """Relative to the root of the container, where /var/run is a link to /run."""
    return path.lstrip("/").replace("var/run/", "run/", 1) if path.startswith("/var/run/") else path.lstrip("/")
