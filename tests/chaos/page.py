"""The page: what the machine was, a line for each fault, what was lost, what it costs when nothing fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.tables import table
from tests.chaos.results import NO_GAP_MS, Began, Cost, Part, Repetition, Results, Row, no_gap_ms, quantile, verdict

RUN_HEAD = ("run", "seed", "minutes", "commit", "processor", "load before", "load after", "at")
HEAD = (
    "fault",
    "n",
    "lost",
    "Chromium: p50 / p95 / max",
    "bench: p50 / p95 / max",
    "steady",
    "as before after",
    "newcomers",
    "goal",
    "",
)


def document(results: Results) -> str:
    """The whole page in Markdown; `failover.json` lies beside it."""
    facts, allowed_ms = results.facts, no_gap_ms(results.rows)
    parts = [
        "# Failover",
        "Written by `make chaos` itself: each fault is made in a cluster of real processes under viewers who watch."
        " Compare the figures with the load beside them.",
        table(
            ("", ""),
            (
                ("machine", f"{facts.cpus} × {facts.cpu}, {facts.memory_gib:g} GiB, {facts.kernel}"),
                ("cluster", results.machines),
                ("viewers", results.viewers),
            ),
        ),
        table(
            ("run", "seed", "minutes", "commit", "processor", "load before", "load after", "at"),
            map(_run, results.runs),
        ),
        "## Faults",
        "*Chromium*: the longest time between two frames that were shown, of each viewer with Ant Media's SDK whom the"
        " fault concerned. *Bench*: the longest standstill of each viewer of `rillcast bench` by the socket whom it"
        " concerned, 0 = below 150 ms. *Steady*: Chromium's longest one in the 3 s before. *As before*: from the end of"
        " the fault until every node and every session is known again and no session is left without a viewer."
        " *Newcomers*: WHEP joins twice a second while the fault lasted: answered, refused with `Retry-After`, anything"
        " else. *Lost*: sessions that ended or got another PeerConnection. *n*: repetitions. Where n is small, p95 is"
        " the maximum. A goal of *no gap* allows what there was without any fault (the first line; the quietest of its"
        f" repetitions counts) and at least 150 ms: {allowed_ms:.0f} ms here. Where a node goes, its start is not in"
        " the figures: it takes one of the machine's cores for a second or two, and is told below. Where every node"
        " is replaced, the same holds for each; what has a line of its own is told apart there: the SDK that tears its"
        " media down when its signaling instance ends, and the stream by WHIP, whose publisher begins anew. A machine"
        " that has other work makes gaps of its own: see the load.",
        table(HEAD, (_line(row, allowed_ms) for row in results.rows)),
        *_notes(results.rows),
    ]
    if results.cost:
        parts += _cost(results.cost)
    return "\n\n".join([*parts, "Raw figures: [failover.json](failover.json)"]) + "\n"


def _run(run: Began) -> tuple[str, ...]:
    load = _load(run.load_before), _load(run.load_after)
    return (f"`{run.command}`", str(run.seed), f"{run.took_s / 60:.1f}", run.commit, run.cpu or "–", *load, run.at)


def _load(load: Iterable[float]) -> str:
    return " ".join(f"{value:.1f}" for value in load)


def _line(row: Row, allowed_ms: float) -> tuple[str, ...]:
    found = row.repetitions
    if row.skipped or not found:
        return (row.what, "0", "", "", "", "", "", "", row.goal.words, f"– {row.skipped or 'not made in these runs'}")
    gaps = [gap for one in found for gap in one.gaps_ms]
    stills = [gap for one in found for gap in one.standstills_ms]
    recovered = [one.recovery_s for one in found if one.recovery_s is not None]
    after = f"{max(recovered):.1f} s" if len(recovered) == len(found) else "**never**"
    unclear = sum(sum(one.unclear.values()) for one in found)
    return (
        row.what,
        str(len(found)),
        str(sum(len(one.lost) for one in found)),
        _quantiles(gaps),
        _quantiles(stills),
        f"{max(one.steady_ms for one in found):.0f} ms",
        after,
        f"{sum(one.joined for one in found)}, {sum(one.refused for one in found)}, {unclear}",
        row.goal.words,
        verdict(row, allowed_ms),
    )


def _quantiles(values: Sequence[float]) -> str:
    if not values:
        return "nobody there"
    p50, p95 = quantile(list(values), 0.5), quantile(list(values), 0.95)
    return f"{p50 / 1000:.2f} / {p95 / 1000:.2f} / {max(values) / 1000:.2f} s"


def _notes(rows: Sequence[Row]) -> list[str]:
    """What the table has no room for: a sentence for each thing that went wrong."""
    lines = [line for row in rows for number, one in enumerate(row.repetitions) for line in _words(row, number, one)]
    return ["### What happened", "\n".join(lines)] if lines else []


def _words(row: Row, number: int, one: Repetition) -> Iterable[str]:
    said = []
    if one.error:
        said.append(f"failed: {one.error}")
    if one.lost:
        said.append("lost: " + "; ".join(one.lost[:4]) + (f"; and {len(one.lost) - 4} more" if one.lost[4:] else ""))
    if one.left_over:
        said.append(f"at last {one.left_over}")
    if one.unclear:
        said.append("newcomers heard " + ", ".join(f"{n} × {what}" for what, n in one.unclear.items()))
    if one.restart_ms > NO_GAP_MS:
        said.append(f"while it started again, {one.restart_ms / 1000:.2f} s between two frames")
    long = [part for part in one.parts if max(part.gap_ms, part.still_ms, part.apart_ms) > NO_GAP_MS]
    if long:
        said.append("while " + "; while ".join(map(_part, long)))
    if one.publishers:
        said.append(", ".join(one.publishers))
    if one.whep_lost:
        said.append(f"of {one.whep} viewers by WHEP whom it concerned {one.whep_lost} lost their picture")
    if one.tracebacks:
        said.append(f"tracebacks in {', '.join(one.tracebacks)}")
    if said:
        yield f"* **{row.name}** {number + 1} ({one.hit or 'all'}, {one.held_s:g} s, load {one.load:g}): " + "; ".join(
            said
        )


def _part(part: Part) -> str:
    apart = "" if part.counted else " (told apart)"
    others = f", {part.apart_ms / 1000:.2f} s by WHIP's stream" if part.apart_ms > NO_GAP_MS else ""
    bench = f"{part.still_ms / 1000:.2f} s in bench ({part.stood} of them)" if part.stood else "none in bench"
    return f"{part.name} {part.gap_ms / 1000:.2f} s in Chromium, {bench}{others}{apart}"


def _cost(cost: Cost) -> list[str]:
    rows = ((n.name, f"{n.idle_cores:.2%}", f"{n.watched_cores:.2%}") for n in cost.nodes)
    return [
        "## What it costs when nothing fails",
        f"Over {cost.seconds:.0f} s each, with no stream and then with {cost.viewers} viewers. On the bus:"
        f" {cost.idle_messages:.1f} messages per node and second, and {cost.watched_messages:.1f} with viewers, as"
        f" nats-server counts them (`/connz`: in and out of all clients). Other processes used"
        f" {cost.others_cores:.2f} cores meanwhile.",
        table(("process", "CPU of a core, idle", f"{cost.viewers} viewers"), rows),
    ]
