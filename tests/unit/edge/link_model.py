"""A bottleneck in virtual time: a queue with a rate, a delay, loss and jitter that follow a trace, and other traffic
that goes through the same queue."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec

TRACES = Path(__file__).parents[2] / "vectors" / "traces"
PACKET = 1_200


class Stretch(msgspec.Struct, frozen=True):
    """What the link is like from `at_s` on."""

    at_s: float
    rate_bps: int
    delay_ms: float = 20.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    burst_every_s: float = 0.0
    """Bursts of loss come at random, so far apart on average; 0 = none."""
    burst_ms: float = 80.0
    stall_every_s: float = 0.0
    """Nothing comes through for a while, and then all of it at once, as on Wi-Fi; so far apart on average; 0 = none."""
    stall_ms: float = 80.0
    others_bps: int = 0
    """What others send through the same queue without heeding it."""
    greedy: int = 0
    """Transfers (TCP, Reno) that take what they can get."""


class Trace(msgspec.Struct, frozen=True):
    """A link over time. `queue_ms`: how much waits at most before packets are dropped."""

    description: str
    duration_s: float
    queue_ms: float
    stretches: list[Stretch]

    def at(self, now: float) -> Stretch:
        return next(stretch for stretch in reversed(self.stretches) if stretch.at_s <= now)


def trace(name: str) -> Trace:
    return msgspec.json.decode((TRACES / f"{name}.json").read_bytes(), type=Trace)


class _Greedy:
    """A transfer as TCP Reno makes it."""

    def __init__(self) -> None:
        self.window = 10.0
        self.threshold = math.inf
        self.under_way: list[tuple[float, bool]] = []
        """(when it is known what became of a packet, whether it arrived), in the order of sending."""
        self.cut_until = 0.0

    def due(self, now: float) -> int:
        """How many packets to send now."""
        while self.under_way and self.under_way[0][0] <= now:
            _, arrived = self.under_way.pop(0)
            if arrived:
                self.window += 1.0 if self.window < self.threshold else 1.0 / self.window
            elif now >= self.cut_until:
                self.threshold = self.window = max(2.0, self.window / 2)
                self.cut_until = now + 0.2
        return max(0, int(self.window) - len(self.under_way))


class Link:
    """One way. What arrives does so in the order of sending."""

    def __init__(self, link: Trace, seed: int) -> None:
        self._link = link
        self._random = random.Random(seed)
        self._free_at = self._arrived_at = 0.0
        self._others_due = 0.0
        self._greedy: list[_Greedy] = []
        self._burst_until = self._stall_until = -1.0
        self._burst_at = self._stall_at = 0.0
        self._stretch, self._stretch_until = link.stretches[0], 0.0

    def at(self, now: float) -> Stretch:
        if now >= self._stretch_until:
            self._stretch = self._link.at(now)
            later = [stretch.at_s for stretch in self._link.stretches if stretch.at_s > now]
            self._stretch_until = min(later, default=math.inf)
        return self._stretch

    def tick(self, now: float) -> None:
        """Let the others send. Call every few milliseconds."""
        at = self.at(now)
        self._others_due = max(self._others_due, now - 0.1)
        while at.others_bps and self._others_due <= now:
            self._others_due += PACKET * 8 / at.others_bps
            self.take(now, PACKET)
        self._greedy = self._greedy[: at.greedy] + [_Greedy() for _ in range(at.greedy - len(self._greedy))]
        for transfer in self._greedy:
            for _ in range(min(20, transfer.due(now))):
                arrives = self.take(now, PACKET)
                known = now + 0.1 if arrives is None else arrives + at.delay_ms / 1_000
                transfer.under_way.append((known, arrives is not None))
        if at.burst_every_s and now >= self._burst_at:
            if self._burst_at:
                self._burst_until = now + at.burst_ms / 1_000
            self._burst_at = now + self._random.expovariate(1 / at.burst_every_s)
        if at.stall_every_s and now >= self._stall_at:
            if self._stall_at:
                self._stall_until = now + self._random.expovariate(1_000 / at.stall_ms)
            self._stall_at = now + self._random.expovariate(1 / at.stall_every_s)

    def take(self, now: float, size: int) -> float | None:
        """When a packet arrives that is sent now; None: it does not."""
        at = self.at(now)
        begins = max(now, self._free_at)
        if (begins - now) * 1_000 > self._link.queue_ms:
            return None
        self._free_at = begins + size * 8 / at.rate_bps
        lost = self._random.random() < at.loss or (now < self._burst_until and self._random.random() < 0.5)
        if lost:
            return None
        jitter_ms = abs(self._random.gauss(0, at.jitter_ms)) if at.jitter_ms else 0.0
        out = max(self._free_at, self._stall_until if now < self._stall_until else 0.0)
        self._arrived_at = max(self._arrived_at, out + (at.delay_ms + jitter_ms) / 1_000)
        return self._arrived_at

    def back_s(self, now: float) -> float:
        """How long something small takes the other way."""
        at = self.at(now)
        return (at.delay_ms + (abs(self._random.gauss(0, at.jitter_ms)) if at.jitter_ms else 0.0)) / 1_000
