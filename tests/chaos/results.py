"""What was measured, as it is written to JSON; the page is made from this alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.bench.machine import Facts


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """How long viewers may be without a new picture. None: no longer than without any fault."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    ours: bool = False
    """For faults that nobody has set a goal for."""

    @property
    def words(self) -> str:
        """For a table."""
        if self.p50_ms is None or self.p95_ms is None:
            return "no gap"
        return f"≤ {self.p50_ms / 1000:g} / {self.p95_ms / 1000:g} s{', chosen here' if self.ours else ''}"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Of a fault that consists of several: the longest standstills meanwhile."""

    name: str
    counted: bool
    gap_ms: float
    """In Chromium."""
    still_ms: float
    """Of `rillcast bench`."""
    stood: int = 0
    """How many of `rillcast bench` stood still for 150 ms or more."""
    apart_ms: float = 0
    """The longest one of those who watch a stream that does not count here, in Chromium or in bench."""


class Repetition(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, once."""

    fault: str
    hit: str
    """What it was done to."""
    held_s: float
    gaps_ms: tuple[float, ...]
    """The longest time between two frames of each viewer in Chromium whom it concerned."""
    standstills_ms: tuple[float, ...]
    """The same of viewers of `rillcast bench` by the socket; 0 = below 150 ms."""
    steady_ms: float
    """The longest one of Chromium's viewers in the seconds before."""
    parts: tuple[Part, ...] = ()
    """Of a fault that consists of several; the figures above are of those that count."""
    restart_ms: float = 0
    """The longest one of those whom it concerned since what had gone began to start again; 0 if nothing did."""
    lost: tuple[str, ...]
    """Viewers by the SDK's protocol whose session ended, or who got another PeerConnection."""
    whep: int
    """Viewers by WHEP whom it concerned, who have no channel on which they could be moved."""
    whep_lost: int
    publishers: tuple[str, ...]
    """Publishers that began anew."""
    recovery_s: float | None
    """From the end of the fault until all was as before; None: it was not."""
    left_over: str
    """What was not as before at last: sessions without a viewer, nodes that are not seen, …"""
    joined: int
    refused: int
    """Newcomers that were answered 503 with Retry-After while the fault lasted."""
    unclear: dict[str, int]
    load: float
    """Processes that wanted to run, on the average of the last minute."""
    tracebacks: tuple[str, ...]
    error: str = ""
    """Why the repetition did not come to its end."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of the list: what it is, what is wanted, and what came of it."""

    name: str
    what: str
    goal: Goal
    replaced: str = ""
    """Why clients may replace their PeerConnection; empty: they may not."""
    skipped: str = ""
    repetitions: tuple[Repetition, ...] = ()


class NodeCost(msgspec.Struct, frozen=True, kw_only=True):
    """One process while nothing fails."""

    name: str
    idle_cores: float
    watched_cores: float
    """With viewers."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster costs while nothing fails."""

    viewers: int
    seconds: float
    nodes: tuple[NodeCost, ...]
    idle_messages: float
    """To and from nodes, per node and second."""
    watched_messages: float
    others_cores: float


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """One run: how it was started, and what else the machine did."""

    at: str
    commit: str
    command: str
    seed: int
    took_s: float
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]
    cpu: str = ""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run, or several after one another."""

    facts: Facts
    runs: tuple[Began, ...]
    machines: str
    viewers: str
    rows: tuple[Row, ...]
    cost: Cost | None = None

    def after(self, earlier: Results) -> Results:
        """Both together."""
        known = {row.name: row for row in earlier.rows}
        known |= {row.name: _joined(known.get(row.name), row) for row in self.rows}
        runs, cost = (*earlier.runs, *self.runs), self.cost or earlier.cost
        return msgspec.structs.replace(self, runs=runs, rows=tuple(known.values()), cost=cost)


def _joined(earlier: Row | None, later: Row) -> Row:
    before = earlier.repetitions if earlier else ()
    return msgspec.structs.replace(later, repetitions=(*before, *later.repetitions))


def quantile(values: list[float], share: float) -> float:
    """Nearest rank; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


NO_GAP_MS = 150.0
"""Below it nobody speaks of a gap."""
CUT = frozenset({"ReadError", "RemoteProtocolError"})
"""What a newcomer sees whose request is under way when the process ends that it asked."""
CONTROL = "nothing"
"""The row in which nothing is done: a busy machine is allowed what it does there."""


def no_gap_ms(rows: Sequence[Row]) -> float:
    """What a gap may last that is none: what the machine does without any fault, and `NO_GAP_MS` on a quiet one. Of
    several repetitions without a fault the quietest one counts."""
    control = [one for row in rows if row.name == CONTROL for one in row.repetitions]
    longest = [max((*one.gaps_ms, *one.standstills_ms), default=0.0) for one in control]
    return max(NO_GAP_MS, min(longest, default=0.0))


def verdict(row: Row, allowed_ms: float = NO_GAP_MS) -> str:
    """``met``, or what was missed. `allowed_ms`: see `no_gap_ms`."""
    if row.skipped or not row.repetitions:
        return "–"
    found = row.repetitions
    missed = [
        word
        for word, is_so in (
            ("failed", any(one.error for one in found)),
            ("lost", any(one.lost for one in found)),
            ("not as before", any(one.recovery_s is None for one in found)),
            ("unclear answers", any(set(one.unclear) - (CUT if row.replaced else set()) for one in found)),
            ("gap", _gap_missed(row, allowed_ms)),
        )
        if is_so
    ]
    return "**missed**: " + ", ".join(missed) if missed else "met"


def _gap_missed(row: Row, allowed_ms: float) -> bool:
    if row.name == CONTROL:
        return False
    p50 = row.goal.p50_ms if row.goal.p50_ms is not None else allowed_ms
    p95 = row.goal.p95_ms if row.goal.p95_ms is not None else allowed_ms
    gaps = [gap for one in row.repetitions for gap in one.gaps_ms]
    stills = [gap for one in row.repetitions for gap in one.standstills_ms]
    return quantile(gaps, 0.5) > p50 or quantile(gaps, 0.95) > p95 or quantile(stills, 0.95) > max(p95, NO_GAP_MS)
