"""Item (f): a crowd joins while others watch."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import psutil

from rillcast.load.run import Plan, Report, Run
from tests.bench.arithmetic import area
from tests.bench.fanout import Say
from tests.bench.results import Crowd
from tests.bench.scale import Scale
from tests.bench.watching import APP, Meter, published, roles_of
from tests.e2e.cluster import cluster

STREAM = "crowd"
VIDEO_BPS = 200_000
"""Little, so that joining is measured and not the receiving of media on the same machine."""
STEADY_S = 3.0
SERVERS = ("edge", "signaling")


async def measure(scale: Scale, say: Say) -> Crowd:
    """Nothing is pinned: the crowd's signalling is the server's and the generator's work at once."""
    with tempfile.TemporaryDirectory() as folder:
        say("crowd: starting a cluster")
        async with cluster(Path(folder), as_shipped=True) as running, published(running, STREAM, VIDEO_BPS):
            url = running.whep(STREAM, APP)
            return await _measure(scale, say, url, Meter(roles_of(running) | {"generator": [_me()]}, "edge"))


def _me() -> psutil.Process:
    return psutil.Process(os.getpid())


async def _measure(scale: Scale, say: Say, url: str, meter: Meter) -> Crowd:
    watching, seen = asyncio.Event(), [Report()]

    def watched(phase: str, begun: int, report: Report) -> None:
        if phase == "steady":
            seen[0] = report
            watching.set()

    calm = Plan(url=url, count=scale.watchers, rate=scale.join_rate, seconds=3_600)
    plan = Plan(url=url, count=scale.crowd, rate=scale.crowd_rate, seconds=STEADY_S)
    watchers = asyncio.create_task(Run(calm, publishing=False).run(watched))
    try:
        waiting = asyncio.create_task(watching.wait())
        await asyncio.wait({watchers, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        waiting.cancel()
        if not watching.is_set():
            raise RuntimeError("those who should be watching already could not join")
        say(f"crowd: {plan.count} viewers at {plan.rate:g} joins/s")
        result = await Run(plan, publishing=False).run(meter.progress)
    finally:
        watchers.cancel()
        await asyncio.gather(watchers, return_exceptions=True)
    spent = join_cpu_ms(meter, result.connected)
    return Crowd(
        viewers=plan.count,
        asked_per_s=plan.rate,
        joins_per_s=result.joins_per_s,
        connected=result.connected,
        failures=result.failures,
        first_packet_ms=result.first_packet_ms,
        first_keyframe_ms=result.first_keyframe_ms,
        join_cpu_ms={role: spent[role] for role in SERVERS},
        generator_cpu_ms=spent["generator"],
        watchers=scale.watchers,
        watchers_gap_ms=seen[0].longest_gap_us / 1000,
        watchers_lost=seen[0].lost,
        saturation=tuple(result.joining.saturation()),
        others_cores=meter.others_cores,
    )


def join_cpu_ms(meter: Meter, joined: int) -> dict[str, float]:
    """CPU until all had joined, less what the media of those connected so far cost at the rate seen afterwards."""
    began, ended = meter.joining[0], meter.joining[-1]
    viewer_s = area([(at, float(report.connected)) for at, _, report in meter.joining])
    per_viewer = {role: cores / max(1, joined) for role, cores in meter.cores().items()}
    return {
        role: max(0.0, ended[1][role] - began[1][role] - per_viewer[role] * viewer_s) * 1000 / max(1, joined)
        for role in began[1]
    }
