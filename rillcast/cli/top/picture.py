"""What `rillcast top` shows: the cluster at one moment, and what became of it since. No I/O."""

from __future__ import annotations

from collections import deque
from enum import Enum

import msgspec

KEPT = 240
"""Moments of which the figures are kept, for the small curves."""


class Grade(Enum):
    """How something is."""

    GOOD = "green"
    WARNING = "yellow"
    BAD = "red"
    NEUTRAL = "dim"


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says of one node; viewers and streams are counts."""

    node: str
    kind: str
    place: str
    """Region and zone; empty when neither is known."""
    state: str
    grade: Grade
    load: float
    """The highest share of its limits; 1.0 is full."""
    sessions: int = 0
    streams: int = 0
    viewers: int = 0
    suffering: int = 0
    """How many of its viewers do not watch well."""
    up_s: float = 0.0
    version: str = ""
    drains: bool = False
    alive: bool = True


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says of one stream that somebody publishes."""

    app: str
    stream: str
    state: str
    grade: Grade
    viewers: int
    suffering: int = 0
    origin: str = ""
    codecs: tuple[str, ...] = ()
    heights: tuple[int, ...] = ()
    """Of its renditions, in lines."""
    kbps: int = 0
    """What its publisher sends."""
    started_ms: int = 0


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster at one moment."""

    version: str
    nodes: tuple[NodeRow, ...]
    streams: tuple[StreamRow, ...]
    """Of both, those that are shown; there may be more."""
    worst: tuple[StreamRow, ...] = ()
    """The streams of the whole cluster that are worst off."""
    node_count: int
    troubled: int = 0
    """Nodes that are not well."""
    stream_count: int
    viewers: int
    suffering: int
    license: str
    license_grade: Grade

    @property
    def busiest(self) -> NodeRow | None:
        """The node whose load is highest, of those that answer."""
        return max((one for one in self.nodes if one.alive), key=lambda one: one.load, default=None)

    def verdict(self) -> tuple[Grade, str]:
        """In one sentence: whether everybody watches well, and if not, who does not and why."""
        bad = [one for one in self.worst if one.grade is Grade.BAD]
        broken = [one for one in self.nodes if one.grade is Grade.BAD]
        said: list[str] = []
        if self.suffering:
            said.append(f"{_count(self.suffering, 'viewer')} of {self.viewers} {_do(self.suffering)} not watch well")
        if bad:
            first = bad[0]
            more = f", and {_count(len(bad) - 1, 'more stream')}" if len(bad) > 1 else ""
            said.append(f"{first.app}/{first.stream}: {first.state[:1].lower()}{first.state[1:]}{more}")
        if broken:
            said.append(", ".join(f"{one.node} is {one.state}" for one in broken[:3]))
        if said:
            return (Grade.BAD if self.suffering or bad else Grade.WARNING), "; ".join(said)
        if not self.viewers:
            return Grade.GOOD, "nobody watches" if self.stream_count else "nothing is published"
        return Grade.GOOD, "everybody watches well"


class History:
    """The last moments' figures."""

    def __init__(self, kept: int = KEPT) -> None:
        self.viewers: deque[float] = deque(maxlen=kept)
        self.streams: deque[float] = deque(maxlen=kept)
        self.suffering: deque[float] = deque(maxlen=kept)
        self.busiest: deque[float] = deque(maxlen=kept)

    def take(self, picture: Picture) -> None:
        """Once for each moment that is shown."""
        busiest = picture.busiest
        self.viewers.append(picture.viewers)
        self.streams.append(picture.stream_count)
        self.suffering.append(picture.suffering)
        self.busiest.append(busiest.load if busiest else 0.0)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"
