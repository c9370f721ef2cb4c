"""What a run has found. `docs/benchmarks/kubernetes.json` holds it."""

from __future__ import annotations

import msgspec

from tests.bench.machine import Facts
from tests.kubernetes.chart import Proof


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """From `helm install` on, in seconds."""

    keys: float
    """The Job with the keys has ended, and helm makes the rest."""
    helm: float
    """The command has ended."""
    nodes: float
    """All pods are ready."""
    signaling: float
    """The first instance of it takes clients. From now on a publisher and a viewer try until they succeed."""
    picture: float
    """A viewer sees a picture of the first stream."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of the crowd."""

    at: float
    """Seconds since the first viewers came."""
    viewers: int
    """Who sees a picture."""
    wished: int
    """Edges that the Deployment wishes."""
    ready: int
    draining: int
    """Edges that have been told to end and still run."""
    by_edge: dict[str, int]
    """Viewers of each edge, as it says itself."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A pod that has ended under viewers."""

    pod: str
    kind: str
    viewers: int
    """Who was there when it was told to end; -1: not an edge."""
    took_s: float
    killed: bool


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """A crowd comes and goes, and the number of edges follows."""

    viewers: int
    """At most."""
    stayed: int
    """Viewers who were there from the beginning to the end."""
    most_edges: int
    grown_s: float
    """From the first viewers until all edges were ready."""
    shrunk_s: float
    """From the moment that the others had left until one edge was left."""
    lost: tuple[str, ...]
    moved: int
    """How many times a viewer was moved to another edge."""
    gaps_ms: tuple[int, ...]
    """The longest standstill of each viewer; 0 = below 150 ms."""
    ended: tuple[Move, ...]
    emptiest_first: bool
    """Whether each pod that was taken had, when it was told to end, no more viewers than any other."""
    samples: tuple[Sample, ...]


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """All pods of one kind are replaced, under viewers."""

    kind: str
    pods: int
    took_s: float
    viewers: int
    lost: tuple[str, ...]
    moved: int
    gaps_ms: tuple[int, ...]
    published_again: int
    """How often the publisher, which uses WHIP, had to begin anew."""
    ended: tuple[Move, ...]


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """One run: how it was started, and what else the machine did."""

    at: str
    commit: str
    command: str
    scheduler: str
    """The class of the machine's scheduler that all of it ran in."""
    took_s: float
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run, or several of different parts."""

    facts: Facts
    versions: dict[str, str]
    discovery: str
    runs: tuple[Began, ...] = ()
    chart: tuple[Proof, ...] = ()
    handover: dict[str, str] = {}
    """How many edges were wished after each step of `handover`."""
    metrics: tuple[str, ...] = ()
    """Names that the API of metrics knew while all kinds ran."""
    start: Start | None = None
    growth: Growth | None = None
    rollouts: tuple[Rollout, ...] = ()
    restarted: tuple[str, ...] = ()
    """Pods of which a container ended that should not have."""
    errors: dict[str, str] = {}
    """Why a part did not come to its end."""

    def after(self, earlier: Results) -> Results:
        """With the parts of an earlier run that this one has left out."""
        left_out = {name: getattr(earlier, name) for name in PARTS if not getattr(self, name)}
        errors = {what: why for what, why in earlier.errors.items() if what not in self.errors}
        return msgspec.structs.replace(self, runs=(*earlier.runs, *self.runs), errors=errors | self.errors, **left_out)


PARTS = ("chart", "handover", "metrics", "start", "growth", "rollouts")
"""What one run may leave out."""
