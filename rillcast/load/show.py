"""A measurement for people: one line while it runs, a table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from rillcast.load.classes import LinkClass
from rillcast.load.run import Quantiles, Report, Result


def line(phase: str, begun: int, report: Report) -> str:
    """Where a run stands."""
    seconds = max(report.wall_us, 1) / 1e6
    rate = report.bytes * 8 / seconds / 1e6 or report.sent_bytes * 8 / seconds / 1e6
    busy = report.cpu_us / max(report.wall_us, 1)
    return (
        f"{phase}: {begun} begun · {report.connected} connected · {rate:,.0f} Mbit/s · {report.lost} lost · "
        f"longest gap {report.longest_gap_us / 1000:.0f} ms · generator {busy:.0%} busy"
    )


def table(result: Result) -> Table:
    """All figures that matter."""
    out = Table(
        title=f"{result.connected} of {result.count} connected, {result.joins_per_s:g} joins/s", title_justify="left"
    )
    for name in ("", "p50", "p95", "p99", "max"):
        out.add_column(name, justify="left" if not name else "right")
    for name, q in (
        ("answered, ms", result.signalled_ms),
        ("connected, ms", result.connected_ms),
        ("first packet, ms", result.first_packet_ms),
        ("first keyframe, ms", result.first_keyframe_ms),
    ):
        if q.count:
            out.add_row(name, *_cells(q))
    if result.standstill_ms is not None:
        out.add_row("longest standstill, ms", *_cells(result.standstill_ms))
    steady = result.steady
    if steady.latency.count:
        ms = (steady.latency.p50_us, steady.latency.p95_us, steady.latency.p99_us, steady.latency.max_us)
        out.add_row("publisher → viewer, ms", *(f"{v / 1000:.2f}" for v in ms))
    return out


def links(classes: Sequence[LinkClass]) -> Table:
    """What viewers behind each link got, per viewer; 80 columns hold it."""
    out = Table(title="By link, per viewer", title_justify="left", padding=(0, 1, 0, 0), box=SIMPLE_HEAD)
    for name in ("link", "n", "Mbit/s", "used", "picture", "switches", "freezes", "frozen", "lost", "sound"):
        out.add_column(name, justify="left" if name in ("link", "picture") else "right", no_wrap=True)
    for c in classes:
        out.add_row(
            *(
                c.name.replace("/", "\n"),
                str(c.viewers),
                f"{c.received_bps / 1e6:.2f}",
                f"{c.used:.0%}" if c.used else "–",
            ),
            *(_heights(c.heights), f"{c.switches:.1f}", f"{c.freezes:.1f}", f"{c.frozen_s:.1f} s"),
            *(f"{c.video_lost / max(1, c.video + c.video_lost):.1%}", f"{c.audio_lost_share:.1%}"),
        )
    out.caption = "picture: share of the time; lost: video packets after repair;\nsound: audio packets lost"
    out.caption_justify = "left"
    return out


def _heights(heights: Mapping[str, float]) -> str:
    """The most seen ones, a line each."""
    most = sorted(heights.items(), key=lambda item: -item[1])[:3]
    return "\n".join(f"{f'{height}p' if height != '0' else 'none'} {share:.0%}" for height, share in most)


def notes(result: Result) -> list[str]:
    """What the table doesn't hold, a sentence each."""
    r, seconds = result.steady, max(result.steady.wall_us, 1) / 1e6
    out = []
    if r.packets:
        rate = f"{r.packets / seconds:,.0f} packets/s, {r.bytes * 8 / seconds / 1e6:,.1f} Mbit/s"
        out.append(f"received {rate}; lost {r.lost}, repaired {r.repaired}, twice {r.duplicates}")
        out.append(
            f"{r.decrypted} decrypted, {r.bad_decrypts} of them wrong; longest gap {r.longest_gap_us / 1000:.0f} ms"
        )
    if r.sent_packets:
        out.append(f"sent {r.sent_packets / seconds:,.0f} packets/s, {r.sent_bytes * 8 / seconds / 1e6:,.1f} Mbit/s")
    out.append(
        f"longest gap while others joined {result.joining.longest_gap_us / 1000:.0f} ms, lost {result.joining.lost}"
    )
    if result.moves:
        out.append(f"moved by the server to another place: {result.moves} times")
    out += [f"{n} × {what}" for what, n in result.negotiated.items()]
    out += [f"failed: {n} × {why}" for why, n in result.failures.items()]
    out += [f"sent away by the server: {n} × {why}" for why, n in result.ended.items()]
    limits = {*result.joining.saturation(), *r.saturation()}
    out += [f"the generator was at its limit: {why}" for why in sorted(limits)]
    return out


def _cells(q: Quantiles) -> tuple[str, ...]:
    return tuple(f"{v:,.0f}" for v in (q.p50, q.p95, q.p99, q.max))
