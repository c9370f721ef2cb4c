"""Items (b), (d) and (e): a cluster whose edge serves more and more viewers, who take and check every packet."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rillcast.load.run import Plan
from tests.bench.arithmetic import climb, slope
from tests.bench.fanout import Say
from tests.bench.machine import Halves, halves, keep_on
from tests.bench.offloads import features
from tests.bench.results import Loopback, Step
from tests.bench.scale import Scale
from tests.bench.watching import APP, Meter, Roles, published, roles_of, watch
from tests.e2e.cluster import Cluster, cluster

STREAM = "bench"
VIDEO_BPS = 1_000_000
LATE_US = 100_000
"""A 99th percentile beyond this counts as not keeping up."""
SETTLE_S = 11.0
"""Until the last who joined have caught up with the live edge, and the edge has given up their DTLS associations."""
WARM = 500
"""Memory is compared from this many viewers on: below, the first buffers of the process show."""


async def measure(scale: Scale, say: Say) -> Loopback:
    """The edge, with one media thread, has one CPU; generator, origin, signaling and all others have the rest."""
    with tempfile.TemporaryDirectory() as folder, halves() as split:
        say("loopback: starting a cluster")
        async with cluster(Path(folder), as_shipped=True) as running, published(running, STREAM, VIDEO_BPS):
            roles = roles_of(running)
            keep_on(roles["edge"], split.subject)
            attempt = _Attempt(scale, say, running, roles, split)
            steps, most = await climb(scale.steps, attempt, keeps_up)
    apart = not split.subject & split.rest
    return Loopback(offloads=features("lo"), apart=apart, steps=tuple(steps), most=most)


class _Attempt:
    def __init__(self, scale: Scale, say: Say, running: Cluster, roles: Roles, split: Halves) -> None:
        self._scale, self._say, self._running, self._roles, self._split = scale, say, running, roles, split

    async def __call__(self, viewers: int) -> Step:
        scale = self._scale
        plan = Plan(
            url=self._running.whep(STREAM, APP),
            count=viewers,
            rate=scale.join_rate,
            seconds=scale.steady_s,
            settle_s=SETTLE_S,
            sample=1 if viewers == scale.latency else 16,
            cpu=min(self._split.rest),
        )
        self._say(f"loopback: {viewers} viewers")
        step = await watch(plan, Meter(self._roles, "edge"))
        if not keeps_up(step):
            self._say(f"loopback: {viewers} viewers failed: {'; '.join(faults(step))}")
        return step


def faults(step: Step) -> list[str]:
    """What keeps a step from counting."""
    found = [f"{n} × {why}" for why, n in step.failures.items()]
    if step.connected < step.viewers:
        found.append(f"{step.connected} of {step.viewers} connected")
    if step.lost:
        found.append(f"{step.lost} packets lost")
    if step.bad_decrypts:
        found.append(f"{step.bad_decrypts} packets did not decrypt")
    if step.latency.p99_us > LATE_US:
        found.append(f"99 % came within {step.latency.p99_us / 1000:.0f} ms only")
    return found + [f"generator: {why}" for why in step.saturation]


def keeps_up(step: Step) -> bool:
    """All connected, nothing lost, 99 % in time, and the generator had room."""
    return not faults(step)


def kib_per_viewer(steps: tuple[Step, ...]) -> float | None:
    """Slope of the edge's resident memory, None with too few steps."""
    points = [(float(s.connected), float(s.rss_kib)) for s in steps if s.connected >= WARM]
    if len({x for x, _ in points}) < 2:
        points = [(float(s.connected), float(s.rss_kib)) for s in steps]
    try:
        return slope(points)
    except ValueError:
        return None
