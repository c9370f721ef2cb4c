"""One viewer behind one bottleneck, in virtual time: media and probes go through a queue with a rate, loss and jitter
that follow a trace; the receiver answers with REMB and receiver reports; the selector under test decides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
from libwebrtc_receiver import Receiver

from rillcast.contracts.records import AbrSettings
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.rendition_selector import Option, RenditionSelector

TRACES = Path(__file__).parents[2] / "vectors" / "traces"
TICK_S = 0.005
FRAMES_PER_S, GOP_S, KEYFRAME_SHARE = 30, 2, 5.0
PACKET = 1_200
LAYER_PATTERN, LAYER_SHARES = (0, 2, 1, 2), (0.4, 0.6, 1.0)
LAYER_WEIGHTS = (1.6, 0.8, 0.8)
"""Frames of each temporal layer in frames of one."""
AUDIO_BYTES, AUDIO_PER_S = 120, 50
AUDIO_BPS = AUDIO_BYTES * 8 * AUDIO_PER_S
STATS_S, REPORT_S = 1.0, 1.0
EARLY_S = 0.1
PROBE_STATS_S = 0.2


class Stretch(msgspec.Struct, frozen=True):
    """What the link is like from `at_s` on."""

    at_s: float
    rate_bps: int
    delay_ms: float = 20.0
    jitter_ms: float = 0.0
    loss: float = 0.0


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


class _Stream:
    """Sent and lost of one SSRC since the last figures."""

    def __init__(self) -> None:
        self.expected = self.lost = 0


class Watched(msgspec.Struct):
    """What happened."""

    switches: list[tuple[float, int]] = []
    """(when, height)"""
    probes: list[tuple[float, int]] = []
    audio_sent: int = 0
    audio_lost: int = 0
    starved: list[float] = []
    layers: list[tuple[float, int, int]] = []
    """(when, height, layers), each second."""
    heights: list[tuple[float, int]] = []
    """Each second."""
    worst_delay_ms: float = 0.0
    figures: list[tuple[float, LinkFigures]] = []

    def after(self, when: float) -> list[tuple[float, int]]:
        return [switch for switch in self.switches if switch[0] >= when]

    def share_at(self, height: int, since: float, until: float) -> float:
        seen = [h for at, h in self.heights if since <= at < until]
        return seen.count(height) / len(seen)


class Viewing:
    """`run` once."""

    def __init__(
        self,
        link: Trace,
        options: Sequence[Option],
        *,
        settings: AbrSettings | None = None,
        early: bool = True,
        can_probe: bool = True,
        remb: bool = True,
        seed: int = 1,
    ) -> None:
        """`early`: the plane tells figures at once when the estimate falls, and often while it probes, not only once a
        second."""
        self.seen = Watched()
        self.selector = RenditionSelector(settings, can_probe=can_probe)
        self._link, self._options, self._early, self._remb = link, options, early, remb
        self._random = random.Random(seed)
        self._receiver = Receiver()
        self._current = options[-1]
        self._pending: tuple[float, Option] | None = None
        self._probe = (0.0, 0)
        self._probe_debt = 0.0
        self._free_at = self._arrived_at = 0.0
        self._flight: list[tuple[float, float, int, _Stream | None, bool]] = []
        self._video, self._audio = _Stream(), _Stream()
        self._rtt_ms = self._jitter_ms = self._lag_ms = 0.0
        self._transit_ms: float | None = None
        self._sent_bytes = 0
        self._stats_at = 0.0

    def run(self) -> Watched:
        audio_due = video_due = report_due = 0.0
        frame = 0
        for tick in range(int(self._link.duration_s / TICK_S)):
            now = tick * TICK_S
            if now >= audio_due:
                audio_due += 1 / AUDIO_PER_S
                self._send(now, AUDIO_BYTES, self._audio)
                self.seen.audio_sent += 1
            if now >= video_due:
                video_due += 1 / FRAMES_PER_S
                self._frame(now, frame)
                frame += 1
            self._pad(now)
            self._receive(now)
            if now >= report_due:
                report_due += REPORT_S
                self._report(now)
            if self._early and now < self._probe[0] and now - self._stats_at >= PROBE_STATS_S:
                self._report(now)
                self._stats(now)
            if now - self._stats_at >= STATS_S:
                self._stats(now)
            if tick % int(1 / TICK_S) == 0:
                self.seen.heights.append((now, self._current.height))
                self.seen.layers.append((now, self._current.height, self._current.layers))
            if self._pending is not None and now >= self._pending[0]:
                self._current, self._pending = self._pending[1], None
                self.seen.switches.append((now, self._current.height))
        return self.seen

    # ------------------------------------------------------------ sending

    def _frame(self, now: float, number: int) -> None:
        key = number % (FRAMES_PER_S * GOP_S) == 0
        whole = next(o for o in self._options if o.track == self._current.track and o.layers == ALL_LAYERS)
        usual = whole.bitrate_bps / 8 / FRAMES_PER_S
        if len(self._options) > len({option.track for option in self._options}):
            layer = LAYER_PATTERN[number % len(LAYER_PATTERN)]
            if layer > self._current.layers:
                return
            usual *= LAYER_WEIGHTS[layer]
        per_gop = FRAMES_PER_S * GOP_S
        size = usual * per_gop / (per_gop - 1 + KEYFRAME_SHARE) * (KEYFRAME_SHARE if key else 1)
        size *= self._random.uniform(0.8, 1.2)
        while size > 0:
            self._send(now, int(min(PACKET, max(size, 60))), self._video)
            size -= PACKET

    def _pad(self, now: float) -> None:
        until, rate = self._probe
        if now >= until:
            return
        self._probe_debt += rate / 8 * TICK_S
        while self._probe_debt >= PACKET:
            self._probe_debt -= PACKET
            self._send(now, PACKET, None)

    def _send(self, now: float, size: int, stream: _Stream | None) -> None:
        at = self._link.at(now)
        self._sent_bytes += size
        if stream is not None:
            stream.expected += 1
        begins = max(now, self._free_at)
        waits_ms = (begins - now) * 1_000
        if waits_ms > self._link.queue_ms or self._random.random() < at.loss:
            if stream is not None:
                stream.lost += 1
                self.seen.audio_lost += stream is self._audio
            return
        self._free_at = begins + size * 8 / at.rate_bps
        delay_ms = at.delay_ms + abs(self._random.gauss(0, at.jitter_ms))
        self._arrived_at = max(self._arrived_at, self._free_at + delay_ms / 1_000)
        self.seen.worst_delay_ms = max(self.seen.worst_delay_ms, (self._arrived_at - now) * 1_000)
        self._flight.append((self._arrived_at, now, size, stream, False))

    # ------------------------------------------------------------ feedback

    def _receive(self, now: float) -> None:
        while self._flight and self._flight[0][0] <= now:
            arrived, sent, size, stream, _ = self._flight.pop(0)
            if stream is self._video:
                transit = (arrived - sent) * 1_000
                if self._transit_ms is not None:
                    self._jitter_ms += (abs(transit - self._transit_ms) - self._jitter_ms) / 16
                self._transit_ms = transit
            self._lag_ms = (arrived - sent) * 1_000 + self._link.at(now).delay_ms
            before = self._receiver.remb_bps
            if self._receiver.packet(sent * 1_000, arrived * 1_000, size):
                fell = self._receiver.remb_bps < before * 0.97
                if self._early and self._remb and fell and now - self._stats_at >= EARLY_S:
                    self._report(now)
                    self._stats(now)

    def _report(self, now: float) -> None:
        at = self._link.at(now)
        queued_ms = max(0.0, self._free_at - now) * 1_000
        self._rtt_ms = 2 * at.delay_ms + queued_ms + abs(self._random.gauss(0, at.jitter_ms))

    def _stats(self, now: float) -> None:
        expected = self._video.expected + self._audio.expected
        lost = self._video.lost + self._audio.lost
        for stream in (self._video, self._audio):
            stream.expected = stream.lost = 0
        sent_bps = int(self._sent_bytes * 8 / (now - self._stats_at))
        self._sent_bytes, self._stats_at = 0, now
        figures = LinkFigures(
            estimate_bps=self._receiver.remb_bps if self._remb else 0,
            fraction_lost=lost / max(1, expected),
            sent_bps=sent_bps,
            other_bps=AUDIO_BPS,
            rtt_ms=self._rtt_ms,
            jitter_ms=self._jitter_ms,
            lag_ms=self._lag_ms,
        )
        self.seen.figures.append((now, figures))
        going_to = self._pending[1] if self._pending is not None else self._current
        switching = self._pending is not None
        choice = self.selector.choose(
            self._options, going_to.track, figures, now, layers=going_to.layers, switching=switching
        )
        if self.selector.starved:
            self.seen.starved.append(now)
        if choice.probe is not None:
            self.seen.probes.append((now, choice.probe.bitrate_bps))
            self._probe = (now + choice.probe.duration_ms / 1_000, choice.probe.bitrate_bps)
            self._probe_debt = 0.0
        chosen = next(o for o in self._options if (o.track, o.layers) == (choice.track, choice.layers))
        if chosen.track == self._current.track:
            self._current, self._pending = chosen, None
        elif chosen != going_to:
            self._pending = (now + self._random.uniform(0.02, 0.2), chosen)
