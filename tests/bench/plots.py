"""The figures as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.results import Cost, Fanout, Loopback, Results, Rival, costs

mpl.use("Agg")
SIZE = (8.0, 4.0)


def draw(results: Results, folder: Path, name: str) -> list[str]:
    """Writes ``<name>-….png`` into `folder`; the names of those written."""
    jobs: dict[str, Callable[[Figure], None]] = {}
    if results.fanout:
        fanout = results.fanout
        jobs["packet"] = lambda figure: _packet(figure, fanout)
        jobs["flat"] = lambda figure: _flat(figure, fanout)
    if results.loopback:
        loopback = results.loopback
        jobs["loopback"] = lambda figure: _loopback(figure, loopback)
    if results.rivals:
        rivals = results.rivals
        jobs["rivals"] = lambda figure: _rivals(figure.subplots(), rivals)
    written = []
    for what, job in jobs.items():
        figure = Figure(figsize=SIZE, layout="constrained")
        job(figure)
        file = f"{name}-{what}.png"
        # Without the metadata the same figures make the same file.
        figure.savefig(folder / file, dpi=110, metadata={"Software": None})
        written.append(file)
    return written


def _packet(figure: Figure, f: Fanout) -> None:
    axes, found = figure.subplots(), costs(f.packet)
    names = [c.variant.replace("_", " ") for c in found]
    user, system = [c.user_ns for c in found], [c.system_ns for c in found]
    axes.barh(names, user, label="user")
    axes.barh(names, system, left=user, label="system")
    for i, c in enumerate(found):
        axes.text(c.user_ns + c.system_ns, i, f" {c.ns:.0f}" + (f" = {c.over_bound:.2f} ×" if c.over_bound else ""))
    axes.margins(x=0.2)
    axes.invert_yaxis()
    _finish(axes, f"CPU per packet, {found[0].viewers} viewers, null device", "ns")


def _flat(figure: Figure, f: Fanout) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    _line(left, costs(f.by_viewers), lambda c: c.viewers)
    _line(right, costs(f.by_streams), lambda c: c.streams)
    left.set_ylim(bottom=0)  # shared, and fixed from here on: after both have their lines
    _finish(left, "CPU per packet by viewers", "viewers", "ns")
    _finish(right, "by streams", "streams")


def _line(axes: Axes, found: list[Cost], size: Callable[[Cost], int]) -> None:
    for variant in ("edge", "bound"):
        rows = [c for c in found if c.variant == variant]
        axes.plot([size(c) for c in rows], [c.ns for c in rows], marker="o", label=variant)
    axes.set_xscale("log")


def _loopback(figure: Figure, found: Loopback) -> None:
    left, right = figure.subplots(1, 2)
    viewers = [s.viewers for s in found.steps]
    left.plot(viewers, [s.cores["edge"] for s in found.steps], marker="o", label="edge")
    left.set_ylim(bottom=0)
    _finish(left, "cores used, end to end", "viewers")
    right.plot(viewers, [s.latency.p50_us / 1000 for s in found.steps], marker="o", label="p50")
    right.plot(viewers, [s.latency.p99_us / 1000 for s in found.steps], marker="o", label="p99")
    right.set_ylim(bottom=0)
    _finish(right, "publisher → viewer, ms", "viewers")


def _rivals(axes: Axes, found: tuple[Rival, ...]) -> None:
    names = [f"{r.name}" for r in found]
    axes.barh(names, [r.step.us_per_packet(*r.roles) for r in found], label="all its processes")
    axes.invert_yaxis()
    _finish(axes, f"CPU per packet, {found[0].step.viewers} viewers", "µs")


def _finish(axes: Axes, title: str, x: str, y: str = "") -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.legend()
