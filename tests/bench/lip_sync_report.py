"""What the flashes and beeps of `tests.bench.lip_sync` say, as tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tests.bench.machine import facts
from tests.bench.tables import table

CLIENTS = ("SDK", "WHEP")
NUMBERS = 4
LONGEST_MS = 1_900.0
"""A beep and a flash of the same number are 4 s from the next ones."""
NOTICED_MS = 45.0
"""ITU-R BT.1359-1: sound that is earlier by more is noticed."""
FIRST_MS = 10_000.0
SHOW_WIDTH = 320


class Flash(msgspec.Struct, frozen=True):
    """The first bright frame."""

    at: float
    number: int
    missed: int
    """Frames shown since the one before, which nobody looked at."""
    width: int
    rtp: float


class Beep(msgspec.Struct, frozen=True):
    """The first loud sample."""

    at: float
    number: int
    late: float
    """After which the page had it."""


class Side(msgspec.Struct, frozen=True):
    """A track in Chromium's statistics."""

    kind: str
    playout: float
    waited: float
    target: float
    emitted: float
    concealed: float
    frames: float


class Second(msgspec.Struct, frozen=True):
    """The statistics at a moment."""

    at: float
    sides: list[Side]

    def apart_ms(self) -> float | None:
        """How much later the picture is than the sound, as the browser knows it by sender reports; None: not yet."""
        playout = {side.kind: side.playout for side in self.sides}
        sound, picture = playout.get("audio", 0.0), playout.get("video", 0.0)
        return sound - picture if sound and picture else None


class Log(msgspec.Struct, frozen=True):
    """What a page noted. Times are the page's, in milliseconds."""

    flashes: list[Flash]
    beeps: list[Beep]
    stats: list[Second]


class Times(msgspec.Struct, frozen=True):
    frozen_ms: float
    back_ms: float


class Seen(msgspec.Struct, frozen=True):
    """One viewer of one round."""

    client: str
    round: int
    off_s: float
    times: Times
    log: Log

    def apart(self) -> Iterator[tuple[Flash, float]]:
        """Of each flash with a beep, how much later than that it was."""
        for flash in self.log.flashes:
            if flash.missed:
                continue
            beeps = [beep.at for beep in self.log.beeps if beep.number == flash.number]
            nearest = min(beeps, key=lambda at: abs(at - flash.at), default=float("inf"))
            if abs(nearest - flash.at) < LONGEST_MS:
                yield flash, flash.at - nearest

    def steady_ms(self) -> float:
        return statistics.median([ms for flash, ms in self.apart() if self._phase(flash) == 0])

    def _phase(self, flash: Flash) -> int:
        """0 before, 1 and 2 on the backup, 3 and 4 back."""
        if flash.at < self.times.frozen_ms:
            return 0
        if flash.width != SHOW_WIDTH:
            first = next(f.at for f in self.log.flashes if f.width != SHOW_WIDTH)
            return 1 if flash.at < first + FIRST_MS else 2
        if flash.at < self.times.back_ms:
            return 0
        first = next((f.at for f in self.log.flashes if f.width == SHOW_WIDTH and f.at > self.times.back_ms), 0.0)
        return 3 if flash.at < first + FIRST_MS else 4

    def told(self) -> list[list[float]]:
        """For each phase, how far off the reports put it: what `phases` has less what the browser says that sound and
        picture are apart by the sender reports. Of a viewer whose reports are right, it stays what it was before."""
        found: list[list[float]] = [[] for _ in PHASES]
        seconds = [(second.at, ms) for second in self.log.stats if (ms := second.apart_ms()) is not None]
        for flash, ms in self.apart():
            at, said_ms = min(seconds, key=lambda second: abs(second[0] - flash.at), default=(float("inf"), 0.0))
            if abs(at - flash.at) < 1_000:
                found[self._phase(flash)].append(ms - said_ms)
        before_ms = statistics.median(found[0])
        return [[ms - before_ms for ms in phase] for phase in found]

    def phases(self) -> list[list[float]]:
        """For each phase, how much later flashes were than in the middle of the first phase, against their beeps."""
        found: list[list[float]] = [[] for _ in PHASES]
        steady_ms = self.steady_ms()
        for flash, ms in self.apart():
            found[self._phase(flash)].append(ms - steady_ms)
        return found


PHASES = ("before", "backup, first 10 s", "backup, after that", "back, first 10 s", "back, after that")


def text(found: Iterable[Seen]) -> str:
    """A line for each viewer of a round."""
    lines = []
    for seen in found:
        parts = [f"{_middle(ms)} ({_most(ms)}, n {len(ms)})" for ms in seen.phases()]
        head = f"{seen.round} {seen.client:4} {seen.off_s:+g} s, steady {seen.steady_ms():.0f} ms"
        lines.append(f"{head}: " + " | ".join(parts))
    return "\n".join(lines)


def rows(found: Sequence[Seen]) -> str:
    """The table: for each kind of backup and client, all rounds together."""
    lines = []
    for off_s in sorted({seen.off_s for seen in found}, key=abs):
        for client in CLIENTS:
            some = [seen for seen in found if (seen.off_s, seen.client) == (off_s, client)]
            every = [[ms for seen in some for ms in seen.phases()[at]] for at in range(len(PHASES))]
            told = [[ms for seen in some for ms in seen.told()[at]] for at in range(len(PHASES))]
            lines += [
                (
                    *(f"{off_s:+g} s" if off_s else "the same", client, name, str(len(some)), str(len(ms))),
                    *(_s(statistics.median(ms)), _s(max(map(abs, ms))), f"{_share(ms):.0%}"),
                    _s(statistics.median(by_reports)) if by_reports else "–",
                )
                for name, ms, by_reports in zip(PHASES, every, told, strict=True)
                if ms
            ]
    head = (
        "backup's clock",
        "client",
        "phase",
        "rounds",
        "flashes",
        "p50, s",
        "max, s",
        "over 45 ms",
        "reports, p50, s",
    )
    return table(head, lines)


def _share(ms: Sequence[float]) -> float:
    return sum(abs(one) > NOTICED_MS for one in ms) / len(ms)


def _s(ms: float) -> str:
    return f"{ms / 1_000:.3f}"


def _middle(ms: Sequence[float]) -> str:
    return f"{statistics.median(ms):+.0f}" if ms else "–"


def _most(ms: Sequence[float]) -> str:
    return f"max {max(map(abs, ms)):.0f}" if ms else "–"


def page(
    found: Sequence[Seen],
    command: str,
    phases_s: Sequence[float],
    in_file_ms: float,
    load: tuple[Sequence[float], Sequence[float]],
) -> str:
    """The figures for the documentation."""
    machine = facts()
    before, frozen, after = phases_s
    loads = " → ".join(" ".join(f"{value:.1f}" for value in moment) for moment in load)
    return f"""# Sound and picture of viewers of a backup

How far sound and picture are apart for viewers who are shown a [backup](../backup.md), and then their publisher again.
Written by the benchmark itself:

    {command}

On {machine.at}, commit {machine.commit}, {machine.cpus} × {machine.cpu}, load {loads}.
The cluster, all ffmpeg and all pages of a round run there.

Two ffmpeg publish a picture that flashes when the sound beeps, once a second, in turns of {NUMBERS} colours and
pitches; in their files the two are at most {in_file_ms:.1f} ms apart. Chromium watches one of them by Ant Media's SDK
and by WHEP for {before:g} s. Then that publisher is frozen (`SIGSTOP`) for {frozen:g} s, so that the other one stands
in for it, and it goes on for {after:g} s. At once, the same is done with backups whose wall clocks are off.

A flash counts at the time for which the browser shows its first bright frame, a beep when its first loud sample leaves
the jitter buffer. The figure is how far the flash is from its beep, less the median of that viewer before the freeze;
positive means a late picture. `max` has no sign. A frame takes 33 ms, so single flashes are 17 ms off by nature. From
{NOTICED_MS:g} ms on, early sound is noticed (ITU-R BT.1359-1).

`reports` is the part of it that the browser does not know of: the same figure, less what Chromium's own statistics
(`estimatedPlayoutTimestamp`) say that sound and picture are apart, again against the time before the freeze. Wrong
sender reports would show there. What the browser knows of and does not mend is its jitter buffers, which it moves
slowly: on a machine where packets come late they are out of step also before the freeze.

{rows(found)}
"""
