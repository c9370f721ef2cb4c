"""Viewers of the load generator against a server, with what the server's processes spend meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import psutil

from rillcast.load.run import Plan, Progress, Report, Result, Run
from rillcast.load.session import JoinProtocol
from tests.bench.machine import Others, cpu_s, rss_kib
from tests.bench.results import Step
from tests.e2e.cluster import Cluster, ClusterView, until

APP = "live"
Roles = Mapping[str, Sequence[psutil.Process]]


class Meter:
    """Reads the clocks whenever the generator tells how far it is."""

    def __init__(self, roles: Roles, subject: str, say: Progress | None = None) -> None:
        self._roles, self._subject, self._say = roles, subject, say
        self.joining: list[tuple[float, dict[str, float], Report]] = []
        """(time, CPU seconds by role, figures), since the beginning."""
        self.steady: list[tuple[float, dict[str, float], Report]] = []
        self.rss_kib = 0
        self._others = Others()
        self.others_cores = 0.0

    def progress(self, phase: str, begun: int, report: Report) -> None:
        """What a `Run` calls."""
        used = {role: cpu_s(processes) for role, processes in self._roles.items()}
        if phase == "steady" and not self.steady:
            self._others = Others()
        (self.steady if phase == "steady" else self.joining).append((time.monotonic(), used, report))
        self.others_cores = self._others.cores()
        if phase == "steady":
            # The newest is the one that counts: once a handshake is over its buffers are given back.
            self.rss_kib = sum(rss_kib(p) for p in self._roles[self._subject] if p.is_running())
        if self._say:
            self._say(phase, begun, report)

    def cores(self) -> dict[str, float]:
        """CPU of each role while everybody watched."""
        (t0, before, _), (t1, after, _) = self.steady[0], self.steady[-1]
        return {role: (after[role] - before[role]) / max(t1 - t0, 1e-3) for role in self._roles}


async def watch(plan: Plan, meter: Meter, *, join_by: JoinProtocol | None = None, own_ports: bool = False) -> Step:
    """`plan.count` viewers join, watch for `plan.seconds` and leave. Raises `Refused` when nobody could join."""
    result = await Run(plan, publishing=False, join_by=join_by, own_ports=own_ports).run(meter.progress)
    if len(meter.steady) < 2:
        raise RuntimeError("the measurement was too short for two readings")
    return step_of(plan, meter, result)


def step_of(plan: Plan, meter: Meter, result: Result) -> Step:
    """From the first to the last reading while everybody watched; losses and delays from the whole steady time."""
    first, last = meter.steady[0], meter.steady[-1]
    end = result.steady
    return Step(
        viewers=plan.count,
        connected=result.connected,
        failures=result.failures,
        seconds=last[0] - first[0],
        packets=last[2].packets - first[2].packets,
        lost=end.lost,
        bad_decrypts=end.bad_decrypts,
        longest_gap_ms=end.longest_gap_us / 1000,
        latency=end.latency,
        first_copy=end.first_copy,
        last_copy=end.last_copy,
        cores=meter.cores(),
        rss_kib=meter.rss_kib,
        saturation=tuple(end.saturation()),
        others_cores=meter.others_cores,
    )


def roles_of(running: Cluster) -> dict[str, list[psutil.Process]]:
    """The cluster's processes by kind of service; what is none of them is under ``other``."""
    found: dict[str, list[psutil.Process]] = {"edge": [], "origin": [], "signaling": [], "other": []}
    for process in running.processes():
        with suppress(psutil.NoSuchProcess):
            words = " ".join(process.cmdline())
            role = next((r for r in found if f"services.{r}" in words), "other")
            found[role].append(process)
    return found


@asynccontextmanager
async def published(running: Cluster, stream: str, video_bps: int) -> AsyncIterator[None]:
    """The generator's publisher, with stamped packets, until the end of the block."""
    plan = Plan(url=running.whip("", APP), stream=stream, seconds=3_600, video_bps=video_bps, stamp=True)
    async with publishing(running, plan):
        yield


@asynccontextmanager
async def publishing(running: ClusterView, plan: Plan) -> AsyncIterator[None]:
    """A publisher of the generator whose media flows, until the end of the block."""
    run = Run(plan, publishing=True)
    task = asyncio.create_task(run.run(lambda phase, begun, report: None))
    live = asyncio.create_task(running.live(plan.stream))
    try:
        await asyncio.wait({task, live}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("the publisher ended before its stream was live")
        live.result()
        yield
    finally:
        live.cancel()
        task.cancel()
        await asyncio.gather(task, live, return_exceptions=True)


async def set_rungs(running: ClusterView, app: str, rungs: Iterable[tuple[int, int]]) -> None:
    """Give an app a ladder of (height, bit/s)."""
    settings = [{"height": height, "videoBitrate": bps, "forceEncode": True} for height, bps in rungs]
    url = f"{running.base}/rest/v2/applications/settings/{app}"
    (await running.request("POST", url, json={"encoderSettings": settings})).raise_for_status()


async def until_renditions(running: ClusterView, stream: str, heights: Iterable[int]) -> None:
    """Until the cluster offers all of them."""
    wanted = set(heights)
    await until(
        lambda: running.stream(stream),
        lambda entry: entry and wanted <= set(entry.renditions),
        f"renditions {sorted(wanted)}",
        60,
    )
