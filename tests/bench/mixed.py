"""Many viewers behind different links watch one stream.

    python -m tests.bench.mixed --plot docs/benchmarks/abr-mixed.png

A cluster by `rillcast up`; the generator publishes pre-encoded media, three simulcast layers or one encoding that a
transcoder makes rungs of, and watches behind links of several rates, some of which get slow and fast again. Prints what
each kind of link was shown, as Markdown, and draws it over time. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rillcast.load.classes import LinkClass
from rillcast.load.link import parse_links
from rillcast.load.media import BROWSER_BURST_S, SIMULCAST, Layer
from rillcast.load.run import Plan, Report, Run
from tests.bench.code_under_test import code_of
from tests.bench.tables import table
from tests.bench.watching import APP, publishing, set_rungs, until_renditions
from tests.e2e.cluster import Cluster, Code, cluster

STREAM = "mixed"
SOURCES = ("simulcast", "ladder")
SOURCE = Layer(720, 2_500_000, BROWSER_BURST_S)
RUNGS = ((480, 1_200_000), (360, 600_000), (240, 200_000))
LIMITS = "300k,800k,1.5M,4M,none"
JOINS_PER_S = 5.0
SETTLE_S = 8.0
"""Joins are seen by `first picture`, not in the rest."""
COLOURS = ("#c64600", "#e5a50a", "#26a269", "#1a5fb4")


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """One source's viewers."""

    source: str
    viewers: int
    connected: int
    failures: dict[str, int]
    seconds: float
    slow_s: float
    fast_s: float
    """When the changing links became slow and fast again."""
    links: tuple[LinkClass, ...]
    limits_of_the_generator: tuple[str, ...]
    load: tuple[float, float, float]


@asynccontextmanager
async def published(running: Cluster, source: str) -> AsyncIterator[None]:
    """The stream with all its renditions, until the end of the block."""
    plan = Plan(url=running.whip("", APP), stream=STREAM, seconds=3_600, layers=(SOURCE,))
    heights = [layer.height for layer in SIMULCAST]
    if source == "simulcast":
        plan = msgspec.structs.replace(plan, layers=SIMULCAST)
    else:
        await set_rungs(running, APP, RUNGS)
        heights = [SOURCE.height, *(height for height, _ in RUNGS)]
    async with publishing(running, plan):
        await until_renditions(running, STREAM, heights)
        yield


async def watch(
    source: str,
    viewers: int,
    seconds: float,
    slow_s: float,
    fast_s: float,
    *,
    links_text: str = "",
    code: Code | None = None,
) -> Mixed:
    """Joins, then `seconds` of watching. `links_text`: instead of the usual links."""
    links = parse_links(links_text or f"{LIMITS},3M/700k@{slow_s:g}/3M@{fast_s:g}")
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), as_shipped=True, code=code or Code()) as running, published(running, source):
            plan = Plan(
                url=running.whep(STREAM, APP),
                count=viewers,
                rate=JOINS_PER_S,
                seconds=seconds,
                settle_s=SETTLE_S,
                links=links,
            )
            result = await Run(plan, publishing=False).run(_say)
            if failed := running.tracebacks():
                print(f"tracebacks in {', '.join(failed)}", file=sys.stderr)
    return Mixed(
        source=source,
        viewers=viewers,
        connected=result.connected,
        failures=result.failures,
        seconds=seconds,
        slow_s=slow_s,
        fast_s=fast_s,
        links=result.links,
        limits_of_the_generator=tuple(result.steady.saturation()),
        load=os.getloadavg(),
    )


def _say(phase: str, begun: int, report: Report) -> None:
    if sys.stderr.isatty():
        print(f"\r{phase}: {begun} begun, {report.connected} connected ", end="", file=sys.stderr)


def reaction_s(pictures: Sequence[tuple[float, int]], at_s: float, *, up: bool) -> float | None:
    """From a change of the link to the first smaller picture, or to one at least as large as before it fell; None if
    there was none or nothing had to change. For `up` give the pictures from before the fall on."""
    before = next((height for since, height in reversed(pictures) if since <= at_s), 0)
    wanted = max(height for _, height in pictures) if up else before
    later = (since for since, height in pictures if since > at_s and (height >= wanted if up else height < wanted))
    found = next(later, None)
    return None if found is None or (up and before >= wanted) else found - at_s


def rows(mixed: Mixed) -> Iterator[tuple[str, ...]]:
    """One for each link."""
    for c in mixed.links:
        share = c.video_lost / max(1, c.video + c.video_lost)
        yield (
            *(
                c.name,
                str(c.viewers),
                f"{c.first_picture_s:.1f} ({c.first_picture_s_most:.1f})",
                f"{c.received_bps / 1e6:.2f}",
                f"{c.used:.0%}" if c.used else "–",
            ),
            ", ".join(f"{height}p {part:.0%}" for height, part in c.heights.items() if height != "0" and part >= 0.01),
            *(f"{c.switches:.1f}", f"{c.freezes:.1f}", f"{c.frozen_s:.1f} ({c.frozen_s_most:.1f})"),
            *(f"{share:.2%}", f"{c.audio_lost_share:.2%}"),
        )


def text(mixed: Mixed) -> str:
    """The table and what it does not hold."""
    head = (
        "link",
        "viewers",
        "first picture, s (most)",
        "Mbit/s",
        "used",
        "picture, share of time",
        "switches",
        "freezes",
    )
    parts = [
        f"{mixed.source}: {mixed.connected} of {mixed.viewers} viewers, {mixed.seconds:g} s, load "
        + " ".join(f"{value:.1f}" for value in mixed.load),
        table((*head, "frozen, s (most)", "video lost", "sound lost"), rows(mixed)),
    ]
    for c in mixed.links:
        if "/" in c.name:
            parts.append(f"* {c.name}: {_reactions(mixed, c)}")
    parts += [f"* {c.name}: {c.without_picture} never got a picture" for c in mixed.links if c.without_picture]
    parts += [f"* failed: {count} × {why}" for why, count in mixed.failures.items()]
    parts += [f"* the generator was at its limit: {why}" for why in mixed.limits_of_the_generator]
    return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def _reactions(mixed: Mixed, c: LinkClass) -> str:
    down = [reaction_s(seen, mixed.slow_s, up=False) for seen in c.pictures]
    up = [reaction_s(seen, mixed.fast_s, up=True) for seen in c.pictures]
    return f"smaller picture after {_spread(down)}; full picture again after {_spread(up)}"


def _spread(values: Sequence[float | None]) -> str:
    found = sorted(value for value in values if value is not None)
    if not found:
        return f"– (0 of {len(values)})"
    middle = statistics.median(found)
    return f"{middle:.1f} s ({found[0]:.1f}–{found[-1]:.1f}, {len(found)} of {len(values)})"


def draw(mixed: Mixed, path: Path) -> None:
    """For each link: how many viewers saw which height, and what arrived, over time."""
    figure = Figure(figsize=(10, 1.7 * len(mixed.links)), layout="constrained")
    grid = figure.subplots(len(mixed.links), 2, sharex=True, squeeze=False)
    heights = sorted({int(h) for c in mixed.links for m in c.over_time for h in m.heights if h != "0"})
    for c, (left, right) in zip(mixed.links, grid, strict=True):
        _heights(left, c, heights)
        _rates(right, c)
    grid[0][0].set_title(f"{mixed.source}: viewers by picture", fontsize=10)
    grid[0][1].set_title("received per viewer, Mbit/s", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("s")
    grid[0][0].legend(loc="lower right", fontsize=7, ncols=len(heights))
    grid[0][1].legend(loc="upper right", fontsize=7, ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _heights(axes: Axes, c: LinkClass, heights: Sequence[int]) -> None:
    at = [moment.second for moment in c.over_time]
    layers = [[moment.heights.get(str(height), 0) for moment in c.over_time] for height in heights]
    axes.stackplot(at, layers, labels=[f"{h}p" for h in heights], colors=COLOURS, step="post")
    axes.set_ylabel(c.name.replace("/", "\n"), fontsize=8)
    axes.set_ylim(0, c.viewers)


def _rates(axes: Axes, c: LinkClass) -> None:
    at = [moment.second for moment in c.over_time]
    axes.step(at, [m.received_bps / 1e6 for m in c.over_time], where="post", color="#26a269", label="received")
    if any(m.limit_bps for m in c.over_time):
        limits = [m.limit_bps / 1e6 for m in c.over_time]
        axes.step(at, limits, where="post", color="#777", linestyle="--", label="link")
        estimates = [min(m.estimate_bps / 1e6, 2 * max(limits)) or float("nan") for m in c.over_time]
        axes.step(at, estimates, where="post", color="#c64600", linewidth=0.8, label="estimate")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mixed", description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=SOURCES, action="append", help="once or twice; default both")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--phases", type=float, nargs=3, default=(15, 20, 35), help="seconds at 3, 0.7 and 3 Mbit/s")
    parser.add_argument("--links", default="", help="rates instead of the usual ones: 500k,1.3M,none")
    parser.add_argument("--code", help="the folder or the revision that is measured; default: this one")
    parser.add_argument("--plot", type=Path, help="x.png draws x-simulcast.png and x-ladder.png")
    parser.add_argument("--json", type=Path, help="keeps the figures there")
    options = parser.parse_args()
    first, slow, last = options.phases
    found: list[Mixed] = []
    with ExitStack() as stack:
        code = stack.enter_context(code_of(options.code)) if options.code else None
        for source in options.source or SOURCES:
            phases = (first + slow + last, first, first + slow)
            links = asyncio.run(watch(source, options.viewers, *phases, links_text=options.links, code=code))
            found.append(links)
            print(text(links) + "\n")
            if options.plot:
                draw(links, options.plot.with_stem(f"{options.plot.stem}-{source}"))
    if options.json:
        options.json.write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
