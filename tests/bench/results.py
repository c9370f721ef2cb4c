"""Everything measured in one run, as it is written to JSON; tables and plots are made from this alone."""

from __future__ import annotations

import msgspec

from rillcast.load.classes import LinkClass
from rillcast.load.run import Latency, Quantiles
from tests.bench.arithmetic import median_ratio, settled
from tests.bench.machine import Facts
from tests.bench.scale import Scale


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of `fanout-bench packet`."""

    variant: str
    viewers: int
    streams: int
    ns_per_packet: float
    user_ns: float
    system_ns: float
    quiet: bool


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """One of `fanout-bench workers`."""

    workers: int
    viewers: int
    packets_per_s: float


class Delay(msgspec.Struct, frozen=True):
    """Of `fanout-bench paced`."""

    count: int
    p50_us: int
    p99_us: int
    max_us: int


class Paced(msgspec.Struct, frozen=True, kw_only=True):
    variant: str = "edge"
    viewers: int
    seconds: int
    packets: int
    cpu_us_per_viewer_second: float
    busy: float
    first_copy: Delay
    last_copy: Delay
    keyframe_last_copy: Delay
    others_cores: float = 0.0


class Fanout(msgspec.Struct, frozen=True, kw_only=True):
    """Items (a), (c), two workers, and the edge alone in real time."""

    offloads: dict[str, bool]
    packet: tuple[Sample, ...]
    by_viewers: tuple[Sample, ...]
    by_streams: tuple[Sample, ...]
    workers: tuple[Workers, ...]
    workers_others_cores: float
    paced: tuple[Paced, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One number of viewers against a running server, after they joined."""

    viewers: int
    connected: int
    failures: dict[str, int]
    seconds: float
    packets: int
    lost: int
    bad_decrypts: int
    longest_gap_ms: float
    latency: Latency
    first_copy: Latency
    last_copy: Latency
    cores: dict[str, float]
    """CPU used, by role."""
    rss_kib: int
    """Of the subject."""
    saturation: tuple[str, ...]
    """Why the generator's limits may be what was measured."""
    others_cores: float

    def us_per_packet(self, *roles: str) -> float:
        """CPU of these roles per packet received by a viewer."""
        return sum(self.cores[role] for role in roles) * self.seconds * 1e6 / max(1, self.packets)


class Loopback(msgspec.Struct, frozen=True, kw_only=True):
    """Items (b), (d) and (e)."""

    offloads: dict[str, bool]
    apart: bool
    """The edge had a CPU to itself."""
    steps: tuple[Step, ...]
    most: int
    """Viewers of the highest good step."""


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Item (f)."""

    viewers: int
    asked_per_s: float
    joins_per_s: float
    connected: int
    failures: dict[str, int]
    first_packet_ms: Quantiles
    first_keyframe_ms: Quantiles
    join_cpu_ms: dict[str, float]
    """CPU per join by role, the media already flowing taken off."""
    generator_cpu_ms: float
    watchers: int
    watchers_gap_ms: float
    watchers_lost: int
    saturation: tuple[str, ...]
    others_cores: float


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Item (g): a server and how it did."""

    name: str
    version: str
    roles: tuple[str, ...]
    """Which processes are counted."""
    step: Step


class FeedbackRun(msgspec.Struct, frozen=True, kw_only=True):
    """Item (h): one variant once."""

    variant: str
    """clean, lossy or storm: what a tenth of the viewers do."""
    step: Step
    """Of the other nine tenths."""
    edge_us_per_packet: float
    """CPU per packet to any viewer, repairs among them."""
    nacked: int
    """Packets asked for again, as the edge counts them, and those it sent again."""
    repaired: int
    refused: dict[str, int]
    """Requests not followed, by reason."""
    others: tuple[LinkClass, ...]
    """The tenth."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """Item (h)."""

    viewers: int
    loss: float
    storm_per_s: int
    runs: tuple[FeedbackRun, ...]


class Results(msgspec.Struct, kw_only=True):
    """A run. None: not measured; `notes` says why."""

    facts: Facts
    scale: Scale
    took_s: float = 0.0
    load_after: tuple[float, float, float] = (0, 0, 0)
    notes: dict[str, str] = {}
    fanout: Fanout | None = None
    loopback: Loopback | None = None
    crowd: Crowd | None = None
    rivals: tuple[Rival, ...] = ()
    feedback: Feedback | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One variant at one size: medians, quiet rounds only where there are enough."""

    variant: str
    viewers: int
    streams: int
    ns: float
    user_ns: float
    system_ns: float
    over_bound: float | None
    """Median of the ratios to the bound of the same round."""
    quiet: int
    rounds: int


def costs(samples: tuple[Sample, ...]) -> list[Cost]:
    """Summed up by variant and size, in the order measured. Round i of one variant belongs to round i of the others."""
    groups: dict[tuple[int, int], dict[str, list[Sample]]] = {}
    for s in samples:
        groups.setdefault((s.viewers, s.streams), {}).setdefault(s.variant, []).append(s)
    return [
        _cost(found, variants.get("bound", []), variant == "bound")
        for variants in groups.values()
        for variant, found in variants.items()
    ]


def _cost(found: list[Sample], bound: list[Sample], is_bound: bool) -> Cost:
    calm = [s.quiet for s in found]
    rows = settled(found, calm)
    ratio = None
    if len(bound) == len(found) and not is_bound:
        both = [s.quiet and b.quiet for s, b in zip(found, bound, strict=True)]
        pairs = settled(list(zip(found, bound, strict=True)), both)
        ratio = median_ratio([s.ns_per_packet for s, _ in pairs], [b.ns_per_packet for _, b in pairs])
    middle = sorted(rows, key=lambda s: s.ns_per_packet)[(len(rows) - 1) // 2]
    return Cost(
        variant=found[0].variant,
        viewers=found[0].viewers,
        streams=found[0].streams,
        ns=middle.ns_per_packet,
        user_ns=middle.user_ns,
        system_ns=middle.system_ns,
        over_bound=ratio,
        quiet=sum(calm),
        rounds=len(found),
    )
