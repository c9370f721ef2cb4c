"""Item (h): what a tenth of the viewers, who lose packets or ask for them without need, costs all others."""

from __future__ import annotations

import asyncio
import tempfile
from bisect import bisect_left
from pathlib import Path

import msgspec

from rillcast.load.link import Link
from rillcast.load.run import Plan, Report, Result, Run
from tests.bench.fanout import Say
from tests.bench.machine import Halves, halves, keep_on
from tests.bench.results import Feedback, FeedbackRun
from tests.bench.scale import Scale
from tests.bench.watching import APP, Meter, Roles, published, roles_of, watch
from tests.e2e.cluster import Cluster, cluster

STREAM = "feedback"
VIDEO_BPS = 1_000_000
SHARE = 0.1
LOSS = 0.1
STORM_PER_S = 2_000
JOINED_S = 30.0
VARIANTS = {
    "clean": (Link(delay_us=0),),
    "lossy": (Link(delay_us=0, loss=LOSS),),
    "storm": (Link(delay_us=0, storm_per_s=STORM_PER_S), *[Link(delay_us=0, loss=LOSS)] * 999),
}
"""The links of the tenth. Storm: the first of them loses nothing and asks all the time."""
COUNTERS = ("rillcast_edge_nacked_packets_total", "rillcast_edge_repaired_packets_total")
REFUSED = "rillcast_plane_refused_total{reason=nack_"


async def measure(scale: Scale, say: Say) -> Feedback:
    """The variants in turns. The edge has one CPU; both generator threads and all others have the rest."""
    runs = []
    with tempfile.TemporaryDirectory() as folder, halves() as split:
        say("feedback: starting a cluster")
        async with cluster(Path(folder), as_shipped=True) as running, published(running, STREAM, VIDEO_BPS):
            roles = roles_of(running)
            keep_on(roles["edge"], split.subject)
            for _ in range(scale.feedback_rounds):
                for variant in VARIANTS:
                    say(f"feedback: {scale.feedback} viewers, {variant}")
                    runs.append(await _Attempt(scale, running, roles, split).run(variant))
    return Feedback(viewers=scale.feedback, loss=LOSS, storm_per_s=STORM_PER_S, runs=tuple(runs))


class _Attempt:
    """One variant once: the tenth joins, then the others, whose figures count."""

    def __init__(self, scale: Scale, running: Cluster, roles: Roles, split: Halves) -> None:
        self._scale, self._running, self._roles, self._split = scale, running, roles, split
        self._others: list[tuple[float, int]] = []
        """(time, packets arrived) of the tenth."""
        self._watching = asyncio.Event()

    async def run(self, variant: str) -> FeedbackRun:
        scale = self._scale
        tenth = max(2, round(scale.feedback * SHARE))
        plan = Plan(
            url=self._running.whep(STREAM, APP),
            count=scale.feedback - tenth,
            rate=scale.join_rate,
            seconds=scale.feedback_s,
            cpu=min(self._split.rest),
        )
        stays_s = plan.count / plan.rate + plan.seconds + 4
        others = msgspec.structs.replace(plan, count=tenth, seconds=stays_s, links=VARIANTS[variant])
        before = await self._counters()
        meter = Meter(self._roles, "edge")
        task = asyncio.create_task(Run(others, publishing=False).run(self._note))
        try:
            await self._until_watching(task)
            step = await watch(plan, meter)
            result: Result = await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        counted = {name: value - before.get(name, 0.0) for name, value in (await self._counters()).items()}
        begun, ended = meter.steady[0][0], meter.steady[-1][0]
        arrived = self._arrived_by(ended) - self._arrived_by(begun)
        sent = arrived / (1 if variant == "clean" else 1 - LOSS)
        return FeedbackRun(
            variant=variant,
            step=step,
            edge_us_per_packet=step.cores["edge"] * step.seconds * 1e6 / (step.packets + sent),
            nacked=int(counted[COUNTERS[0]]),
            repaired=int(counted[COUNTERS[1]]),
            refused={
                name.removeprefix(REFUSED).rstrip("}"): int(n)
                for name, n in counted.items()
                if name.startswith(REFUSED) and n
            },
            others=tuple(msgspec.structs.replace(c, over_time=(), pictures=()) for c in result.links),
        )

    def _note(self, phase: str, begun: int, report: Report) -> None:
        if phase == "steady":
            self._others.append((asyncio.get_running_loop().time(), report.packets))
            self._watching.set()

    async def _until_watching(self, task: asyncio.Task[Result]) -> None:
        waiting = asyncio.create_task(self._watching.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=JOINED_S)
        waiting.cancel()
        if task.done():
            task.result()
        if not self._watching.is_set():
            raise RuntimeError("those with losses could not join")

    def _arrived_by(self, at: float) -> int:
        i = bisect_left(self._others, (at, 0))
        return self._others[min(i, len(self._others) - 1)][1]

    async def _counters(self) -> dict[str, float]:
        """The edge's, of requests for repair."""
        node = next(n.info.node for n in (await self._running.status()).nodes if n.info.kind == "edge")
        found = await self._running.metrics(node)
        return {name: found.get(name, 0.0) for name in COUNTERS} | {
            name: value for name, value in found.items() if name.startswith(REFUSED)
        }
