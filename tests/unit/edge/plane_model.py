"""What the plane does for one viewer, in virtual time: probes, measured paths, and what it makes of reports, as in
`native/crates/plane/src/worker/{bandwidth_probe,path_measuring,lag}.rs`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from link_model import PACKET, Link
from picture_model import Frame

from rillcast.media.protocol import PlaneSession, Probed
from services.edge.domain.congestion_control import LinkFigures

FAR_BEHIND_MS = 100.0
MOST_HELD_BACK_S = 0.7


class Packet:
    """On its way down."""

    __slots__ = ("arrives", "frame", "kind", "number", "sent", "size")

    def __init__(self, kind: str, sent: float, size: int, number: int, frame: Frame | None = None) -> None:
        self.kind, self.sent, self.size, self.number, self.frame = kind, sent, size, number, frame
        self.arrives = 0.0


class ProbeModel:
    """One under way, as the plane does it."""

    def __init__(self, rate_bps: int, duration_s: float) -> None:
        self.rate_bps, self.duration_s = rate_bps, duration_s
        self.marks: list[float] = []
        self.answers: dict[int, float] = {}
        self.begins: float | None = None
        self.ends = 0.0
        self.ended: int | None = None
        self.padding = self.media = 0

    def is_mark_due(self, now: float) -> bool:
        if self.begins is None:
            return True
        if self.ended is None:
            return now - self.marks[-1] >= (0.0 if self.duration_s <= 0.1 else 0.02)
        return len(self.marks) < self.ended + 4

    def due(self, now: float) -> Iterator[Packet]:
        """Checks and padding to send in this tick."""
        if self.is_mark_due(now):
            self.marks.append(now)
            yield Packet("mark", now, 120, len(self.marks) - 1)
        if self.begins is None:
            if len(self.marks) >= 3:
                self.begins, self.ends = now, now + self.duration_s
        elif self.ended is None:
            due = (min(now, self.ends) - self.begins) * self.rate_bps / 8
            while self.padding + self.media < due:
                self.padding += PACKET
                yield Packet("padding", now, PACKET, 0)
            if now >= self.ends:
                self.ended = len(self.marks)

    def is_over(self, now: float) -> bool:
        if self.ended is None or len(self.marks) < self.ended + 4:
            return False
        return all(i in self.answers for i in range(self.ended, len(self.marks))) or now - self.marks[-1] > 1.0

    def answered(self, number: int, now: float) -> None:
        self.answers[number] = now - self.marks[number]
        if max(self.answers.values()) > min(self.answers.values()) + 0.15 and self.begins is not None:
            self.ends = min(self.ends, max(now, self.begins))

    def result(self) -> Probed:
        assert self.begins is not None
        assert self.ended is not None
        return Probed(
            session=PlaneSession(1),
            track=0,
            padding_bytes=self.padding,
            media_bytes=self.media,
            lasted_ms=(self.ends - self.begins) * 1_000,
            before_ms=self._median(range(3)),
            after_ms=self._median(range(self.ended, len(self.marks))),
            checks=len(self.marks),
            answered=len(self.answers),
        )

    def _median(self, numbers: Sequence[int]) -> float:
        found = [self.answers[i] for i in numbers if i in self.answers]
        return statistics.median_low(found) * 1_000 if found else 0.0


class Reports:
    """What the viewer's reports have shown since the last figures."""

    def __init__(self) -> None:
        self.estimate = 0
        self.rtt_ms = 0.0
        self._told = 0
        self._lag_ms = self._usual_ms = 0.0
        self._delivered = 0
        self._backlogged = False
        self._got: tuple[float, int, int, bool] | None = None
        """(when, bytes of video, since which packet, far behind) of the last report."""
        self._expected = self._lost = 0
        self._heard = (0, 0)

    def take(self, now: float, estimate: int, heard: tuple[int, int], newest: float, got: tuple[int, int]) -> bool:
        """One report. `heard`: packets expected and lost in all; `newest`: when the newest packet was sent, 0 = there
        is no telling; `got`: bytes of video, since which packet. Returns whether it is news that cannot wait."""
        self._lag_ms = (now - newest) * 1_000 if newest else 0.0
        usual = self._usual_ms or self._lag_ms
        behind = self._lag_ms > usual + FAR_BEHIND_MS
        self._delivered, self._backlogged = 0, False
        before = self._got
        if not newest:
            self._got = None
        elif before is None or before[2] != got[1] or now - before[0] >= 0.08:
            self._got = (now, *got, behind)
            if before is not None and before[2] == got[1]:
                self._delivered = int((got[0] - before[1]) * 8 / (now - before[0]))
                self._backlogged = behind and before[3]
        if newest:
            self._usual_ms = min(self._lag_ms, usual + (self._lag_ms - usual) * 0.02)
        self._expected += heard[0] - self._heard[0]
        self._lost += max(0, heard[1] - self._heard[1])
        self._heard = heard
        return self.take_estimate(estimate) or behind

    def take_estimate(self, estimate: int) -> bool:
        """Returns whether it is news that cannot wait."""
        self.estimate = estimate
        return estimate < self._told * 0.95

    def figures(self, *, sent_bps: int, other_bps: int, jitter_ms: float) -> LinkFigures:
        """What is told, after which all but the estimate begins anew."""
        figures = LinkFigures(
            estimate_bps=self.estimate,
            fraction_lost=min(1.0, self._lost / max(1, self._expected)),
            sent_bps=sent_bps,
            other_bps=other_bps,
            rtt_ms=self.rtt_ms,
            jitter_ms=jitter_ms,
            lag_ms=self._lag_ms,
            delivered_bps=self._delivered,
            backlogged=self._backlogged,
        )
        self._told, self._lag_ms, self._delivered, self._backlogged = self.estimate, 0.0, 0, False
        self._expected = self._lost = 0
        return figures


def left_out(backlog: Sequence[Packet], now: float) -> int:
    """How many of these were held back for so long that they are left out, up to the next keyframe."""
    if not backlog or backlog[0].frame is None or now - backlog[0].frame.made_at < MOST_HELD_BACK_S:
        return 0
    key = next((i for i, packet in enumerate(backlog) if packet.frame and packet.frame.key and i), 0)
    return 0 if backlog[key].frame is backlog[0].frame else key


def measure(link: Link, now: float, *, answers: bool) -> tuple[int, float]:
    """What the answers to five large checks show, and when."""
    link.tick(now)
    came = []
    for _ in range(5):
        arrives = link.take(now, PACKET)
        if arrives is not None and answers:
            came.append(arrives + link.back_s(now))
    late_s = {5: 0.0, 4: 0.1, 3: 0.1}.get(len(came))
    return measured_bps(came), now + 1.0 if late_s is None else max(came) + late_s


def measured_bps(came: Sequence[float]) -> int:
    """As the plane measures a path."""
    if len(came) < 3:
        return 0
    gaps = [later - before for before, later in zip(sorted(came), sorted(came)[1:], strict=False)]
    span = sum(gaps) - max(gaps)
    return min(1_000_000_000, int((len(gaps) - 1) * PACKET * 8 / span)) if span > 1e-6 else 1_000_000_000
