"""One section of the report for each item: a sentence on what it is, and a table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.bench.arithmetic import flatness
from tests.bench.loopback import faults, kib_per_viewer
from tests.bench.machine import QUIET_CORES
from tests.bench.reach import worker_gain
from tests.bench.results import Cost, Crowd, Fanout, Feedback, FeedbackRun, Loopback, Rival, Step, costs
from tests.bench.scale import Scale

_VARIANTS = {
    "bound": "bound: no crypto, GSO, `sendmmsg`",
    "edge": "**edge**: AES-GCM, all a viewer needs, GSO",
    "edge_calm": "edge as when less than 30 % busy: audio waits for no video",
    "edge_no_gso": "edge without GSO",
    "naive": "naive: AES-CM and HMAC-SHA1, a `sendto` each",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown: the first column to the left, the others to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *rows))


def quiet(others_cores: float) -> str:
    """The mark of a run."""
    return "quiet" if others_cores <= QUIET_CORES else f"disturbed: others used {others_cores:.1f} cores"


def fanout(f: Fanout, scale: Scale) -> Iterator[str]:
    """Items (a) and (c), two workers, the edge alone in real time."""
    yield "## (a) CPU per packet of the fan-out"
    yield (
        f"{scale.fanout} viewers, null device. User and system time of the whole process, medians of {scale.rounds}"
        " rounds with the variants in turns; the ratio is taken round by round. *quiet*: rounds whose wall time was at"
        " most 1.10 × their CPU time; with two or more of them the disturbed ones are left out."
    )
    head = ("", "ns/packet", "user", "system", "÷ bound", "quiet")
    yield table(head, (_cost_row(_VARIANTS[c.variant], c) for c in costs(f.packet)))
    yield "## (c) Cost by viewers and by streams"
    yield _sizes(costs(f.by_viewers), "viewers", lambda c: c.viewers)
    yield f"{scale.stream_viewers} viewers spread over so many streams, whose frames are not in step:"
    yield _sizes(costs(f.by_streams), "streams", lambda c: c.streams)
    yield "## Two workers"
    yield _workers(f)
    yield "## (e) Latency of the edge alone, in real time"
    yield (
        "One pinned thread, null device, 30 frames/s with a 40 kB keyframe every 2 s. From the moment a frame is due to"
        " the kernel having its first (16 messages) and its last packet: waking up, rewriting, encrypting and sending,"
        " without the way in from the origin. The edge sends a keyframe in bursts of at most 16 packets, 5 ms apart;"
        " the bound (the same packets without crypto) sends it at once."
    )
    yield _paced(f)


def _cost_row(name: str, c: Cost) -> tuple[str, ...]:
    ratio = "1" if c.over_bound is None else f"{c.over_bound:.2f}"
    return name, f"{c.ns:,.0f}", f"{c.user_ns:,.0f}", f"{c.system_ns:,.0f}", ratio, f"{c.quiet}/{c.rounds}"


def _sizes(found: list[Cost], name: str, size: Callable[[Cost], int]) -> str:
    edge = [c for c in found if c.variant == "edge"]
    bound = {size(c): c.ns for c in found if c.variant == "bound"}
    rows = [
        (f"{size(c):,}", f"{c.ns:,.0f}", f"{bound[size(c)]:,.0f}", f"{c.over_bound or 0:.2f}", f"{c.quiet}/{c.rounds}")
        for c in edge
    ]
    text = table((name, "edge, ns/packet", "bound", "÷ bound", "quiet"), rows)
    return f"{text}\n\nDearest over cheapest: {flatness([c.ns for c in edge]):.2f}."


def _workers(f: Fanout) -> str:
    rates = {n: [w.packets_per_s for w in f.workers if w.workers == n] for n in (1, 2)}
    rows = [(str(n), f"{statistics.median(r):,.0f}") for n, r in rates.items() if r]
    gain = worker_gain(f)
    text = table(("worker threads", "packets/s"), rows)
    return f"{text}\n\nRatio, median of the rounds: {gain or 0:.2f}. {quiet(f.workers_others_cores).capitalize()}."


def _paced(f: Fanout) -> str:
    copies = ("first copy p50, ms", "p99", "last copy p50, ms", "p99", "keyframe's last p50, ms")
    return table(
        ("viewers", "", "µs CPU per viewer-s", "busy", "viewers per core", *copies, ""),
        (
            (
                f"{p.viewers:,}",
                p.variant,
                f"{p.cpu_us_per_viewer_second:.0f}",
                f"{p.busy:.0%}",
                f"{p.viewers / p.busy:,.0f}",
                *(f"{us / 1000:.2f}" for d in (p.first_copy, p.last_copy) for us in (d.p50_us, d.p99_us)),
                f"{p.keyframe_last_copy.p50_us / 1000:.1f}",
                quiet(p.others_cores),
            )
            for p in f.paced
        ),
    )


def loopback(found: Loopback, scale: Scale) -> Iterator[str]:
    """Items (b), (d) and (e)."""
    yield "## (b) End to end over loopback"
    place = "had a CPU to itself; all else shared the others" if found.apart else "shared the only CPU with all else"
    yield (
        f"A whole cluster, 1 Mbit/s video and Opus; the edge, with one media thread, {place}. The viewers take every"
        " packet, check its sequence and decrypt one in 16. A step counts when all connected, nothing was lost, 99 %"
        f" came within 100 ms and the generator had room; a failed step is tried twice. **Most viewers: {found.most}.**"
    )
    head = (
        "viewers",
        "edge's cores",
        "µs per packet",
        "publisher → viewer p50, ms",
        "p99",
        "longest gap, ms",
        "result",
    )
    yield table(head, map(_step_row, found.steps))
    yield "## (d) Memory per viewer"
    kib = kib_per_viewer(found.steps)
    rows = [(f"{s.connected:,}", f"{s.rss_kib / 1024:.1f}") for s in found.steps]
    yield table(("viewers", "edge's resident memory, MiB"), rows)
    if kib is not None:
        yield f"Slope from 500 viewers on: **{kib:.1f} KiB per viewer**, Python's part and all buffers included."
    yield "## (e) Latency end to end"
    yield (
        "Publisher → origin → relay → edge → viewers: two hops, SRTP, and up to 1 ms until the generator next looks at"
        " its socket. First and last copy of a burst over all viewers, at the step whose every packet is decrypted."
    )
    whole = [s for s in found.steps if s.viewers == scale.latency and s.first_copy.count]
    yield table(
        ("viewers", "", "p50, ms", "p99, ms", "max, ms", "bursts"),
        (
            (f"{s.viewers:,}", name, *(f"{us / 1000:.2f}" for us in (v.p50_us, v.p99_us, v.max_us)), f"{v.count:,}")
            for s in whole
            for name, v in (("all copies", s.latency), ("first copy", s.first_copy), ("last copy", s.last_copy))
        ),
    )


def _step_row(s: Step) -> tuple[str, ...]:
    wrong = faults(s)
    return (
        f"{s.viewers:,}",
        f"{s.cores['edge']:.2f}",
        f"{s.us_per_packet('edge'):.2f}",
        f"{s.latency.p50_us / 1000:.2f}",
        f"{s.latency.p99_us / 1000:.2f}",
        f"{s.longest_gap_ms:.0f}",
        "; ".join([", ".join(wrong) or "good", quiet(s.others_cores)]),
    )


def crowd(c: Crowd) -> Iterator[str]:
    """Item (f)."""
    yield "## (f) Joins"
    yield (
        f"{c.viewers} viewers join by WHEP at {c.asked_per_s:g} per second while {c.watchers} watch, with 200 kbit/s of"
        " video. CPU per join: until all had joined, less what the media of those already connected cost. Nothing is"
        " pinned: server and generator share the machine, so the rate reached is the sum's, the CPU each one's own."
    )
    rows = [
        ("joins per second reached", f"{c.joins_per_s:g}"),
        ("connected", f"{c.connected} of {c.viewers}"),
        *((f"CPU per join, {role}, ms", f"{ms:.2f}") for role, ms in c.join_cpu_ms.items()),
        ("CPU per join, generator, ms", f"{c.generator_cpu_ms:.2f}"),
        ("first packet p50 / p95, ms", f"{c.first_packet_ms.p50:g} / {c.first_packet_ms.p95:g}"),
        ("first keyframe p50 / p95, ms", f"{c.first_keyframe_ms.p50:g} / {c.first_keyframe_ms.p95:g}"),
        ("largest gap of those already watching, ms", f"{c.watchers_gap_ms:.0f}"),
        ("packets they lost", str(c.watchers_lost)),
        *((f"failed: {why}", str(n)) for why, n in c.failures.items()),
        *(("the generator was at its limit", why) for why in c.saturation),
        ("", quiet(c.others_cores)),
    ]
    yield table(("", ""), rows)


def rivals(found: tuple[Rival, ...]) -> Iterator[str]:
    """Item (g)."""
    yield "## (g) Janus with the same viewers and media"
    yield (
        f"{found[0].step.viewers} viewers at 1 Mbit/s over this machine's own address, a socket each. Each server had a"
        " CPU to itself. Janus' streaming plugin takes plain RTP; the cluster takes a WebRTC publisher, so its origin"
        " is given as well."
    )
    ours = found[0]
    rows = [_rival_row(ours, ("edge",), ours), _rival_row(ours, ours.roles, ours)]
    rows += [_rival_row(r, r.roles, ours) for r in found[1:]]
    head = ("", "version", "cores", "µs per packet", "× edge", "lost", "longest gap, ms", "memory, MiB", "")
    yield table(head, rows)


def _rival_row(r: Rival, roles: tuple[str, ...], ours: Rival) -> tuple[str, ...]:
    s, base = r.step, ours.step.us_per_packet("edge")
    name = f"{r.name}: {' and '.join(roles)}" if r is ours else r.name
    return (
        name,
        r.version,
        f"{sum(s.cores[role] for role in roles):.3f}",
        f"{s.us_per_packet(*roles):.2f}",
        f"{s.us_per_packet(*roles) / base:.1f}" if base else "–",
        str(s.lost),
        f"{s.longest_gap_ms:.0f}",
        f"{s.rss_kib / 1024:.0f}",
        "; ".join([*faults(s), quiet(s.others_cores)]),
    )


def feedback(found: Feedback) -> Iterator[str]:
    """Item (h)."""
    yield "## (h) Lossy viewers and storms of requests"
    yield (
        f"{found.viewers} viewers at 1 Mbit/s, the edge with a CPU to itself. A tenth of them answer as browsers do:"
        f" *clean*, all is well; *lossy*, {found.loss:.0%} of what is sent to them is lost; *storm*, likewise, and one"
        f" asks for {found.storm_per_s:,} packets per second that it has. Delays and losses are those of the other nine"
        " tenths. In turns, medians; losses are sums."
    )
    variants = list(dict.fromkeys(run.variant for run in found.runs))
    by = {variant: [run for run in found.runs if run.variant == variant] for variant in variants}
    head = ("", *variants)
    yield table(head, [(name, *(of(by[v]) for v in variants)) for name, of in _FEEDBACK])
    yield f"Runs of each: {len(found.runs) // max(1, len(variants))}. " + "; ".join(
        sorted({quiet(run.step.others_cores) for run in found.runs} | {w for r in found.runs for w in faults(r.step)})
    )


def _middle(of: Callable[[FeedbackRun], float], form: str) -> Callable[[list[FeedbackRun]], str]:
    return lambda runs: format(statistics.median(map(of, runs)), form)


def _sum(of: Callable[[FeedbackRun], int]) -> Callable[[list[FeedbackRun]], str]:
    return lambda runs: f"{sum(map(of, runs)):,}"


def _refused(runs: list[FeedbackRun]) -> str:
    reasons = sorted({reason for run in runs for reason in run.refused})
    return ", ".join(f"{r.replace('_', ' ')} {sum(run.refused.get(r, 0) for run in runs):,}" for r in reasons) or "0"


def _hits(runs: list[FeedbackRun]) -> str:
    missed = sum(run.refused.get("not_in_ring", 0) for run in runs)
    found = sum(run.repaired for run in runs)
    return f"{found / (found + missed):.2%}" if found else "–"


def _lost_after_repair(runs: list[FeedbackRun]) -> str:
    lost, came = (sum(getattr(c, name) for run in runs for c in run.others) for name in ("video_lost", "video"))
    return f"{lost / max(1, lost + came):.3%}"


_FEEDBACK: tuple[tuple[str, Callable[[list[FeedbackRun]], str]], ...] = (
    ("packets lost", _sum(lambda run: run.step.lost)),
    ("publisher → viewer p50, ms", _middle(lambda run: run.step.latency.p50_us / 1000, ".2f")),
    ("p99, ms", _middle(lambda run: run.step.latency.p99_us / 1000, ".2f")),
    ("longest gap, ms", _middle(lambda run: run.step.longest_gap_ms, ".0f")),
    ("edge, µs CPU per packet sent", _middle(lambda run: run.edge_us_per_packet, ".2f")),
    ("the tenth: packets asked for again", _sum(lambda run: run.nacked)),
    ("… sent again by the edge", _sum(lambda run: run.repaired)),
    ("… found in the ring of those looked for", _hits),
    ("… requests not followed", _refused),
    ("… video lost after repair", _lost_after_repair),
    ("… frozen, s per viewer", _middle(lambda run: statistics.mean(c.frozen_s for c in run.others), ".2f")),
)
