"""The report of `tests.bench.ladder` in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from tests.bench.arithmetic import median_ratio, settled
from tests.bench.machine import Facts
from tests.bench.tables import table

MODES = {
    "pinned": "as fast as it goes, both on one CPU",
    "unpinned": "as fast as it goes, on any CPU",
    "paced": "in real time, on any CPU",
}


class Round(msgspec.Struct, frozen=True):
    """CPU seconds per second of media."""

    mode: str
    ours: float
    ffmpeg: float
    others: float
    """Cores that everything else used meanwhile."""
    quiet: bool


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    facts: Facts
    load_after: tuple[float, float, float]
    command: str
    source: str
    preset: str
    rungs: str
    ffmpeg: str
    libavcodec: str
    rounds: list[Round]
    picture_ms: dict[str, list[float]]
    """By mode, from a picture's last packet to all rungs' packets."""
    left_out: int
    """Pictures that `paced` left out since it was behind."""
    first_ladder_mib: float
    further_ladder_mib: float


def line(found: Round) -> str:
    """One round, for whoever waits."""
    ratio = found.ours / found.ffmpeg
    return (
        f"{found.mode:8} ours {found.ours:.3f}  ffmpeg {found.ffmpeg:.3f} CPU-s/s  ratio {ratio:.3f}"
        f"  others {found.others:.2f} cores{'  quiet' if found.quiet else ''}"
    )


def document(report: Report) -> str:
    """Machine, ratios, delay and memory."""
    f = report.facts
    load = " → ".join(" ".join(f"{value:.1f}" for value in at) for at in (f.load, report.load_after))
    machine = table(
        ("", ""),
        [
            ("command", f"`{report.command}`"),
            ("when, commit", f"{f.at}, {f.commit}"),
            ("machine", f"{f.cpus} × {f.cpu}, {f.memory_gib:g} GiB, {f.kernel}"),
            ("load", load),
            ("source → rungs", f"{report.source} → {report.rungs}"),
            ("encoder", f"x264 {report.preset}, zero latency, one thread per codec"),
            ("versions", f"{report.ffmpeg}, ours libavcodec {report.libavcodec}"),
        ],
    )
    rows = [row for mode in MODES for row in _row(mode, [r for r in report.rounds if r.mode == mode])]
    heads = ("", "rounds", "quiet", "ours, CPU-s/s", "ffmpeg, CPU-s/s", "ratio", "of rounds")
    delays = [(MODES[mode], *_quantiles(took), str(len(took))) for mode, took in report.picture_ms.items()]
    memory = f"Memory: first ladder of a process {report.first_ladder_mib:.0f} MiB"
    return "\n\n".join(
        [
            machine,
            table(heads, rows),
            table(("last packet in → all rungs' packets, ms", "p50", "p95", "p99", "n"), delays),
            f"Left out in real time: {report.left_out} pictures. {memory}, each further one"
            f" {report.further_ladder_mib:.0f} MiB.",
        ]
    )


def _row(mode: str, rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    if not rounds:
        return []
    kept = settled(rounds, [r.quiet for r in rounds])
    ours, ffmpeg = [r.ours for r in kept], [r.ffmpeg for r in kept]
    ratios = [a / b for a, b in zip(ours, ffmpeg, strict=True)]
    return [
        (
            MODES[mode],
            str(len(rounds)),
            str(sum(r.quiet for r in rounds)),
            f"{statistics.median(ours):.3f}",
            f"{statistics.median(ffmpeg):.3f}",
            f"{median_ratio(ours, ffmpeg):.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
        )
    ]


def _quantiles(values: Sequence[float]) -> tuple[str, str, str]:
    centiles = statistics.quantiles(values, n=100)
    return f"{centiles[49]:.1f}", f"{centiles[94]:.1f}", f"{centiles[98]:.1f}"
