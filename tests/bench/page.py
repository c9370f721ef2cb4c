"""The report: machine, numbers to reach, a section for each item, plots."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench import tables
from tests.bench.reach import lines
from tests.bench.results import Results


def document(results: Results, name: str, plots: Sequence[str]) -> str:
    """The whole page in Markdown; the raw figures lie beside it in ``<name>.json``."""
    parts = [
        f"# Benchmark: {results.scale.name}",
        "Written by the benchmark itself; how it measures: [benchmarks](../benchmarks.md). Compare figures of one run"
        " with each other: machines differ, and shared ones by the minute.",
        header(results),
        "## Reach",
        tables.table(
            ("what", "reach", "measured", "", "item"),
            ((line.what, line.reach, line.measured, line.verdict, line.item) for line in lines(results)),
        ),
    ]
    if results.fanout:
        parts += tables.fanout(results.fanout, results.scale)
    if results.loopback:
        parts += tables.loopback(results.loopback, results.scale)
    if results.crowd:
        parts += tables.crowd(results.crowd)
    if results.rivals:
        parts += tables.rivals(results.rivals)
    if results.feedback:
        parts += tables.feedback(results.feedback)
    if plots:
        parts += ["## Plots", *(f"![{plot.removesuffix('.png')}]({plot})" for plot in plots)]
    return "\n\n".join([*parts, f"Raw figures: [{name}.json]({name}.json)"]) + "\n"


def header(results: Results) -> str:
    """What machine, what versions, how much else ran, what is missing."""
    f = results.facts
    devices = {"null device": results.fanout, "loopback": results.loopback}
    rows = [
        ("when", f"{f.at}, {results.took_s / 60:.1f} minutes"),
        ("commit", f.commit),
        ("kernel", f.kernel),
        ("CPU", f"{f.cpus} × {f.cpu}, {f.memory_gib:g} GiB"),
        ("flags", " ".join(f.flags)),
        *((f"offloads, {device}", _offloads(found.offloads)) for device, found in devices.items() if found),
        ("versions", ", ".join(f"{name} {version}" for name, version in f.versions.items())),
        ("load before", _load(f.load)),
        ("load after", _load(results.load_after)),
    ]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (("", ""), ("---", "---"), *rows))
    notes = [f"* not measured: {item}: {why}" for item, why in results.notes.items()]
    return "\n".join([table, "", *notes]).rstrip()


def _offloads(found: dict[str, bool]) -> str:
    return ", ".join(f"{name} {'on' if on else 'off'}" for name, on in found.items())


def _load(load: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in load)
