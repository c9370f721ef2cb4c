"""What a fault of a chaos run is done to, and whom it concerns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field

from tests.chaos.cluster import ChaosCluster, Node
from tests.chaos.viewers import SDK, WHIP, Stage


class Skipped(Exception):
    """The fault can't be made here; the text says why."""


@dataclass(frozen=True)
class Span:
    """A part of a fault that consists of several. Moments are monotonic seconds."""

    name: str
    since: float
    until: float
    counted: bool
    """Whether the goal is for it; else it is told apart."""


@dataclass
class Scene:
    """What a fault is done to. It says whom it concerns."""

    stage: Stage
    rng: random.Random
    hold_s: float
    edges: frozenset[str] | None = None
    """Only viewers at these edges; None: at all."""
    streams: frozenset[str] = frozenset({SDK, WHIP})
    hit: str = ""
    started_again: float | None = None
    """When the node that went began to start again, monotonic seconds: on this machine that takes a core for a second
    or two, so what viewers see from then on is told apart."""

    spans: list[Span] = field(default_factory=list)
    """Empty: the fault has no parts, and all of it counts."""

    @contextmanager
    def span(self, name: str, *, counted: bool = True) -> Iterator[None]:
        """What viewers see meanwhile is told by this name."""
        since = time.monotonic()
        yield
        self.spans.append(Span(name, since, time.monotonic(), counted))

    def starts_again(self) -> None:
        """The fault is over as far as viewers are concerned. Whoever stands still now has not come back."""
        self.started_again = time.monotonic()

    @property
    def cluster(self) -> ChaosCluster:
        """Where it happens."""
        return self.stage.cluster

    async def watched_edge(self) -> Node:
        """An edge that serves a page; from now on only its viewers count."""
        seen = [await page.page.observe() for page in self.stage.pages]
        names = {self.cluster.edge_with_port(one.first.port) for one in seen if one.first} - {""}
        node = self.cluster.nodes[self.rng.choice(sorted(names))]
        self.edges, self.hit = frozenset({node.name}), node.name
        return node

    async def origin_of(self, stream: str) -> Node:
        """The origin of a stream, whose viewers count."""
        view = self.cluster.views[self.rng.choice(sorted(self.cluster.views))]
        live = await view.live(stream)
        node = self.cluster.nodes[live.origin]
        self.streams, self.hit = frozenset({stream}), node.name
        return node


Do = Callable[[Scene], AbstractAsyncContextManager[None]]
