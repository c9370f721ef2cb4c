"""The numbers to reach, each with what this run has to say about it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

import msgspec

from tests.bench.arithmetic import flatness
from tests.bench.loopback import kib_per_viewer
from tests.bench.results import Crowd, Fanout, Feedback, Loopback, Paced, Results, Rival, costs

ELSEWHERE = (
    ("join: `play` sent → first frame rendered in Chromium", "p50 ≤ 250 ms, p95 ≤ 500 ms", "`tests.bench.joins`"),
    ("glass to glass, relative to the same two pages peer to peer", "+ ≤ 30 ms", "`tests.bench.joins`"),
    ("rendition, source switch, standby parent", "no renegotiation, gap ≤ a frame", "`tests.bench.abr`, `make e2e`"),
    ("origin killed; edge drained; edge killed", "≤ 2 s; p95 ≤ 150 ms; p95 ≤ 2 s", "`make e2e`"),
    ("transcoder ladder against one ffmpeg command", "CPU ≤ 1.05 ×", "`tests.bench.ladder`"),
)


MANY = 100
"""With fewer viewers or streams a packet's share of what is done once for all of them shows."""
ENOUGH = 1_000
"""Viewers from which on a core's worth may be extrapolated."""


class Line(msgspec.Struct, frozen=True):
    """One row of the table; `met` None where this run can't tell."""

    what: str
    reach: str
    measured: str
    met: bool | None
    item: str

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "–"}[self.met]


def lines(results: Results) -> list[Line]:
    """Of all of them; those measured by other programs name the program."""
    found = list(_measured(results))
    return found + [Line(what, reach, "not by this run", None, where) for what, reach, where in ELSEWHERE]


def _measured(results: Results) -> Iterator[Line]:
    if results.fanout:
        yield from _fanout(results.fanout)
    if results.loopback:
        yield from _loopback(results.loopback)
    if results.crowd:
        yield from _crowd(results.crowd)
    if len(results.rivals) > 1:
        yield from _rivals(results.rivals)
    if results.feedback:
        yield from _feedback(results.feedback)


def _fanout(f: Fanout) -> Iterator[Line]:
    cost = {c.variant: c for c in costs(f.packet)}
    if "edge" in cost and "naive" in cost and cost["edge"].over_bound is not None:
        edge, times = cost["edge"], cost["naive"].ns / cost["edge"].ns
        over, rate = cost["edge"].over_bound, 1000 / cost["edge"].ns
        yield Line("fan-out CPU per packet, null device", "≤ 2.0 × bound", f"{over:.2f} ×", over <= 2, "a")
        yield Line("packets per second and core", "≥ 1 M", f"{rate:.2f} M ({edge.ns:.0f} ns)", rate >= 1, "a")
        yield Line("against AES-CM and a `sendto` each", "≥ 2 × cheaper", f"{times:.1f} ×", times >= 2, "a")
    if f.paced:
        yield _density(f.paced)
        yield from _delays(f.paced)
    for name, samples in (("viewers", f.by_viewers), ("streams", f.by_streams)):
        sizes = [(c.viewers if name == "viewers" else c.streams, c.ns) for c in costs(samples) if c.variant == "edge"]
        if len(sizes) > 1:
            flat, most = flatness([ns for _, ns in sizes]), [ns for size, ns in sizes if size >= MANY]
            what = f"cost per packet from {sizes[0][0]:,} to {sizes[-1][0]:,} {name}"
            how = f"{flat:.2f} ×" + (f" ({flatness(most):.2f} × from {MANY} on)" if len(most) > 1 else "")
            yield Line(what, "flat within 1.2 ×", how, flat <= 1.2, "c")
    gain = worker_gain(f)
    if gain is not None:
        yield Line("two workers", "≥ 1.6 × one", f"{gain:.2f} ×", gain >= 1.6, "workers")


def _density(paced: Sequence[Paced]) -> Line:
    """Of the most viewers that were served in time."""
    edge = [p for p in paced if p.variant == "edge"]
    kept = [p for p in edge if p.busy < 1] or edge
    most = max(kept, key=lambda p: p.viewers)
    cores = most.viewers / most.busy
    how = f"{cores:,.0f} ({most.viewers} used {most.busy:.0%} of a core)"
    good = cores >= 5_000 if most.viewers >= ENOUGH else None
    return Line("viewers per core, real time with keyframes", "≥ 5 000", how, good, "e, edge alone")


def _delays(paced: Sequence[Paced]) -> Iterator[Line]:
    p = next((p for p in paced if p.viewers == 1_000 and p.variant == "edge"), None)
    if p is None:
        return
    bound = next((p for p in paced if p.viewers == 1_000 and p.variant == "bound"), None)
    first, last = p.first_copy, p.last_copy
    good = last.p50_us <= 1_000 and last.p99_us <= 10_000
    what = "added latency per hop, 1 000 viewers, frame in → last copy out"
    how = f"{last.p50_us / 1e3:.2f}, {last.p99_us / 1e3:.1f} ms"
    if bound:
        how += f" (bound {bound.last_copy.p50_us / 1e3:.2f}, {bound.last_copy.p99_us / 1e3:.1f})"
    yield Line(what, "p50 ≤ 1 ms, p99 ≤ 10 ms", how, good, "e, edge alone")
    yield Line("… first copy out", "p50 ≤ 0.2 ms", f"{first.p50_us / 1e3:.2f} ms", first.p50_us <= 200, "e, edge alone")


def worker_gain(f: Fanout) -> float | None:
    """Median over the rounds of two workers' rate over one's."""
    one = [w.packets_per_s for w in f.workers if w.workers == 1]
    two = [w.packets_per_s for w in f.workers if w.workers == 2]
    if not one or len(one) != len(two):
        return None
    return statistics.median(b / a for a, b in zip(one, two, strict=True))


def _loopback(found: Loopback) -> Iterator[Line]:
    tried = max(s.viewers for s in found.steps)
    good: bool | None = found.most >= 2_500
    if not good and found.most == tried:
        good = None  # never failed: fewer were asked for
    most = f"{found.most} (of {tried} tried)"
    yield Line("end to end over loopback, every packet checked", "≥ 2 500 viewers", most, good, "b")
    kib = kib_per_viewer(found.steps)
    if kib is not None:
        yield Line("memory per connected viewer at the edge", "≤ 20 KiB", f"{kib:.1f} KiB", kib <= 20, "d")


def _crowd(c: Crowd) -> Iterator[Line]:
    spent = sum(c.join_cpu_ms.values())
    per_core = 1000 / spent if spent else 0.0
    parts = ", ".join(f"{role} {ms:.2f} ms" for role, ms in c.join_cpu_ms.items())
    yield Line(
        "joins per second per core, signaling included", "≥ 300", f"{per_core:.0f} ({parts})", per_core >= 300, "f"
    )
    took = c.connected / max(c.joins_per_s, 1e-3)
    good: bool | None = took <= 12 and c.connected == c.viewers
    if c.viewers < 3_000:
        good = None
    what = f"{took:.1f} s, {c.connected} of {c.viewers}"
    yield Line("3 000 viewers joining on this machine", "≤ 12 s, nobody lost", what, good, "f")


def _rivals(rivals: tuple[Rival, ...]) -> Iterator[Line]:
    ours, *others = rivals
    best = min(others, key=lambda r: r.step.us_per_packet(*r.roles))
    usual = max(others, key=lambda r: r.step.us_per_packet(*r.roles))
    times = [r.step.us_per_packet(*r.roles) / ours.step.us_per_packet("edge") for r in (usual, best)]
    how = f"{times[0]:.1f} × its default, {times[1]:.1f} × its best setting"
    yield Line("packets per CPU-second against Janus", "≥ 10 ×", how, times[0] >= 10, "g")
    yield Line("… against SRS", "≥ 5 ×", "Debian has no SRS", None, "g")


def _feedback(f: Feedback) -> Iterator[Line]:
    """By the medians of each variant."""
    runs = {name: [run for run in f.runs if run.variant == name] for name in ("clean", "lossy", "storm")}
    if not all(runs.values()):
        return
    p99 = {name: statistics.median(r.step.latency.p99_us for r in found) / 1000 for name, found in runs.items()}
    for name, what in (("lossy", f"a tenth losing {f.loss:.0%}"), ("storm", "… and one storming with requests")):
        lost = sum(run.step.lost for run in runs[name])
        times = p99[name] / max(p99["clean"], 1e-3)
        how = f"lost {lost}, p99 {p99[name]:.1f} ms against {p99['clean']:.1f}"
        yield Line(f"{what} costs the others", "nothing lost, p99 ≤ 1.2 ×", how, lost == 0 and times <= 1.2, "h")
