"""Starts and ends real processes for the pods of one namespace: what a kubelet does for containers.

kwok keeps the machines, the scheduler places pods on them, and here each pod becomes processes. A pod that is deleted
gets SIGTERM and stays until its processes have ended, so whatever watches pods sees how long a drain takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.kubernetes.api import Json, Refused
from tests.kubernetes.control_plane import LIVE, Cluster
from tests.kubernetes.enclosure import LAB
from tests.kubernetes.pod import PodRun

PODS = f"/api/v1/namespaces/{LIVE}/pods"


@dataclass(frozen=True)
class Ended:
    """A pod that has gone."""

    name: str
    kind: str
    at: float
    """Monotonic seconds."""
    took_s: float
    """From the wish to the end of its last process."""
    killed: tuple[str, ...]
    restarts: int


class Kubelet:
    """See the module."""

    def __init__(self, cluster: Cluster, names: Path) -> None:
        self._cluster, self._names = cluster, names
        self._runs: dict[str, PodRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.ended: list[Ended] = []
        self.logs = cluster.folder / "pods"
        self.logs.mkdir()

    def runs(self, kind: str = "") -> list[PodRun]:
        """Pods that have processes, of one kind or of all."""
        return [one for one in self._runs.values() if kind in {"", one.kind}]

    def restarted(self) -> list[str]:
        """Pods of which something ended that should not have."""
        there = [run.name for run in self._runs.values() if run.restarts]
        return sorted({*there, *(one.name for one in self.ended if one.restarts)})

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            listed = await self._cluster.api.get(PODS)
            seen = {one["metadata"]["uid"] for one in listed["items"]}
            for pod in listed["items"]:
                await self._see(pod)
            for uid in set(self._runs) - seen:
                self._end(self._runs[uid], 0)
            try:
                async for event in self._cluster.api.watch(PODS, listed["metadata"]["resourceVersion"]):
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        await self._see(event["object"])
            except httpx.HTTPError:
                await asyncio.sleep(0.2)

    async def _see(self, pod: Json) -> None:
        meta, uid = pod["metadata"], pod["metadata"]["uid"]
        run = self._runs.get(uid)
        if "deletionTimestamp" in meta:
            if run is not None:
                self._end(run, float(meta.get("deletionGracePeriodSeconds", 30)))
            elif uid not in self._tasks:
                await self._forget(pod)
            return
        if run is None and uid not in self._tasks and "nodeName" in pod["spec"]:
            if pod["status"].get("phase") in {"Succeeded", "Failed"}:
                return
            on_machine = pod["spec"].get("hostNetwork", False)
            network, machine = self._cluster.network, self._cluster.machines[pod["spec"]["nodeName"]]
            place = machine if on_machine else await network.pod()
            folders = {"folder": LAB / "pods" / uid, "logs": self.logs, "names": self._names}
            run = PodRun(self._cluster.api, pod, (machine, place), **folders)
            self._runs[uid] = run
            self._tasks[uid] = asyncio.create_task(self._live(run))

    async def _live(self, run: PodRun) -> None:
        try:
            await run.run()
        finally:
            await run.kill()

    def _end(self, run: PodRun, grace_s: float) -> None:
        if run.asked_to_end is None:
            self._tasks[f"{run.uid} ends"] = asyncio.create_task(self._take_away(run, grace_s))

    async def _take_away(self, run: PodRun, grace_s: float) -> None:
        await run.end(grace_s)
        assert run.asked_to_end is not None
        took_s = time.monotonic() - run.asked_to_end
        self._tasks[run.uid].cancel()
        await asyncio.gather(self._tasks[run.uid], return_exceptions=True)
        await run.gone()
        del self._runs[run.uid]
        if run.place.namespace.startswith("pod-"):
            await self._cluster.network.remove(run.place)
        self.ended.append(Ended(run.name, run.kind, time.monotonic(), round(took_s, 2), run.killed, run.restarts))

    async def _forget(self, pod: Json) -> None:
        """It never ran here."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        try:
            await self._cluster.api.delete(f"{PODS}/{pod['metadata']['name']}", body)
        except Refused as error:
            if error.status != 404:
                raise

    async def close(self) -> None:
        """Kill all that runs."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def failures(self) -> list[str]:
        """What went wrong in here itself."""
        done = (task for task in self._tasks.values() if task.done() and not task.cancelled())
        return [f"{type(error).__name__}: {error}" for task in done if (error := task.exception()) is not None]


@asynccontextmanager
async def kubelet(cluster: Cluster, names: Path) -> AsyncIterator[Kubelet]:
    """One that follows the pods until the end of the block."""
    made = Kubelet(cluster, names)
    following = asyncio.create_task(made.follow())
    try:
        yield made
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await made.close()
