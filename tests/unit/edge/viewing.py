"""One viewer behind one bottleneck, in virtual time. Media, repairs and probes go through a queue; a browser answers
with estimates, reports and checks; the selector under test decides. What the plane does is in `plane_model`."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence

from encoder_model import FRAMES_PER_S, frame_sizes, is_key
from libwebrtc_receiver import Receiver
from link_model import Link, Trace
from picture_model import Frame
from plane_model import Packet, ProbeModel, Reports, left_out, measure
from watched import Watched

from rillcast.contracts.records import AbrSettings
from rillcast.media.protocol import Probed
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.options import Option
from services.edge.domain.rendition_selector import RenditionSelector

TICK_S = 0.005
AUDIO_BYTES, AUDIO_PER_S = 120, 50
AUDIO_BPS = AUDIO_BYTES * 8 * AUDIO_PER_S
STATS_S, REPORT_S, EARLY_S = 1.0, 1.0, 0.1
HANDSHAKE_ROUND_TRIPS = 3
KEYFRAME_THROTTLE_S = 0.5
BURST, GROUP = 16, 4_800  # packets that leave at once, and bytes that a paced track sends at a time


class Viewing:
    """`run` once."""

    def __init__(
        self,
        link: Trace,
        options: Sequence[Option],
        *,
        settings: AbrSettings | None = None,
        begins_with: Option | None = None,
        early: bool = True,
        remb: bool = True,
        answers: bool = True,
        reports_with_estimates: bool = True,
        seed: int = 1,
    ) -> None:
        """`begins_with`: instead of what the path is measured to take. `early`: the plane tells figures at once when
        the estimate falls, not only once a second. `answers`: the browser answers large checks.
        `reports_with_estimates`: each estimate comes with a report, as libwebrtc does it; else reports come once a
        second and estimates alone."""
        self.selector = RenditionSelector(settings)
        self._trace, self._options, self._early, self._remb = link, tuple(options), early, remb
        self._link, self._random = Link(link, seed), random.Random(seed)
        self._now = 0.0
        self._down: deque[Packet] = deque()
        self._up: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._begins_with, self._answers, self._reports_with_estimates = begins_with, answers, reports_with_estimates
        # what is sent
        self._current = begins_with or self._options[-1]
        self._pending: tuple[float, Option, bool] | None = None
        self._key = True
        self._asked_at = 0.0
        self._sent: dict[int, Packet] = {}
        self._next, self._switched_at_number = 0, 0
        self._backlog: deque[Packet] = deque()
        self._pace: tuple[float, float] | None = None
        """(bytes per second, until when)"""
        self._credit = 0.0
        self._limit_bps = 0
        self._limit_credit = 0.0
        self._probe: ProbeModel | None = None
        self._result: Probed | None = None
        # what the browser has
        self._receiver = Receiver()
        self._highest = -1
        self._received = self._audio_received = 0
        self._missing: dict[int, tuple[float, int]] = {}
        self._newest_sent = 0.0
        self._newest_live = True
        self._audio_numbers = 0
        self._audio_highest = -1
        self._transit_ms: float | None = None
        self._jitter_ms = 0.0
        self._sender_report: tuple[float, float] | None = None
        self._video_bytes = 0
        # what the edge knows
        self._reports = Reports()
        self._bytes, self._stats_at = 0, 0.0
        self.seen = Watched(first=self._current)

    # ------------------------------------------------------------ time

    def run(self) -> Watched:
        begins = self._join()
        audio_due = video_due = begins
        report_due = begins + self._random.random()
        self._stats_at = begins
        frame = 0
        for tick in range(int(begins / TICK_S), int(self._trace.duration_s / TICK_S)):
            now = self._now = tick * TICK_S
            self._link.tick(now)
            while now >= audio_due:
                audio_due += 1 / AUDIO_PER_S
                self._send(Packet("audio", now, AUDIO_BYTES, self._audio_numbers))
                self._audio_numbers += 1
                self.seen.audio_sent += 1
            if now >= video_due:
                video_due += 1 / FRAMES_PER_S
                self._frame(now, frame)
                frame += 1
            self._drain(now)
            self._advance_probe(now)
            while self._down and self._down[0].arrives <= now:
                self._arrive(self._down.popleft())
            self._ask_again(now)
            if self.seen.pictures.advance(now):
                self._wants_keyframe(now)
            if now >= report_due:
                report_due += REPORT_S * self._random.uniform(0.8, 1.2)
                self._report(now)
            while self._up and self._up[0][0] <= now:
                heapq.heappop(self._up)[2]()
            if now - self._stats_at >= STATS_S:
                self._stats(now)
            if tick % int(1 / TICK_S) == 0:
                self.seen.seconds.append((now, self._current))
            if self._pending is not None and now >= self._pending[0]:
                self._switch(now, self._pending[1])
        return self.seen

    def _join(self) -> float:
        """The handshake, and meanwhile the path is measured. When media begins."""
        at = self._link.at(0.0)
        begins = HANDSHAKE_ROUND_TRIPS * 2 * at.delay_ms / 1_000
        if self._begins_with is not None:
            return begins
        room_bps, measured_at = measure(self._link, 0.0, answers=self._answers)
        if room_bps > 1_000_000:
            again_bps, measured_at = measure(self._link, measured_at, answers=self._answers)
            room_bps = min(room_bps, again_bps or room_bps)
        self._current = self.selector.begin(self._options, room_bps, AUDIO_BPS)
        self._limit_bps = self.selector.pace_bps(self._current, AUDIO_BPS, measured_at)
        self.seen.first = self._current
        return max(begins, measured_at)

    def _wants_keyframe(self, now: float) -> None:
        """The browser asks for one, which the edge passes on twice a second."""
        if now - self._asked_at >= KEYFRAME_THROTTLE_S and self._pending is None:
            self._asked_at, self._key = now, True

    def _later(self, now: float, act: Callable[[], None]) -> None:
        """Once it has come up."""
        self._count += 1
        heapq.heappush(self._up, (now + self._link.back_s(now), self._count, act))

    # ------------------------------------------------------------ the edge sends

    def _frame(self, now: float, number: int) -> None:
        if self._pending is not None and self._pending[2]:
            return
        sizes = frame_sizes(number, self._current, self._options, self._random, key=self._key)
        key, self._key = self._key or is_key(number), False
        if not sizes:
            return
        frame = Frame(now, len(sizes), self._current.height, key=key)
        self.seen.pictures.sent(frame)
        for part in sizes:
            packet = Packet("video", now, part, self._next, frame)
            self._sent[self._next] = packet
            self._next += 1
            self._backlog.append(packet)
        self.seen.video_sent += len(sizes)
        if len(self._sent) > 3_000:
            for old in list(self._sent)[:1_000]:
                del self._sent[old]

    def _drain(self, now: float) -> None:
        if self._limit_bps and self._pace is None:
            most = max(2_500.0, self._limit_bps * 0.05 / 8)
            self._limit_credit = min(most, self._limit_credit + self._limit_bps / 8 * TICK_S)
            self._skip(now)
            while self._backlog and self._limit_credit > 0:
                packet = self._backlog.popleft()
                self._limit_credit -= packet.size
                self._send(packet)
            return
        if self._pace is not None:
            rate, until = self._pace
            rate = min(rate, self._limit_bps / 8 or rate)
            self._skip(now)
            self._credit = min(self._credit + rate * TICK_S, 2 * GROUP)
            if now >= until and not self._backlog:
                self._pace = None
            while self._backlog and self._credit > 0:
                packet = self._backlog.popleft()
                self._credit -= packet.size
                self._send(packet)
            return
        for _ in range(min(BURST, len(self._backlog))):
            self._send(self._backlog.popleft())

    def _skip(self, now: float) -> None:
        """What is held back for too long is left out up to the next keyframe."""
        skipped = left_out(self._backlog, now)
        for _ in range(skipped):
            self._sent.pop(self._backlog.popleft().number, None)
        for packet in self._backlog if skipped else ():
            self._sent.pop(packet.number, None)
            packet.number -= skipped
            self._sent[packet.number] = packet
        self._next -= skipped

    def _send(self, packet: Packet) -> None:
        now = self._now
        if packet.kind != "mark":
            self.seen.sent_bytes += packet.size
        if packet.kind in ("video", "audio"):
            self._bytes += packet.size
            if self._probe is not None and self._probe.begins is not None and self._probe.ended is None:
                self._probe.media += packet.size
        packet.sent = now
        arrives = self._link.take(now, packet.size)
        if arrives is None:
            self.seen.audio_lost += packet.kind == "audio"
            self.seen.video_lost += packet.kind == "video"
            return
        self.seen.worst_queue_ms = max(self.seen.worst_queue_ms, (arrives - now) * 1_000)
        packet.arrives = arrives
        self._down.append(packet)

    def _switch(self, now: float, option: Option) -> None:
        assert self._pending is not None
        held = self._pending[2]
        self._pending = None
        self._current = option
        self.seen.changes.append((now, option))
        self._key = True
        for packet in self._backlog:
            self._sent.pop(packet.number, None)
            self._next = min(self._next, packet.number)
        self._backlog.clear()
        self._switched_at_number = self._next
        if held and self._reports.estimate:
            self._pace, self._credit = (
                (max(self._reports.estimate * 0.6, option.bitrate_bps * 1.25) / 8, now + 0.5),
                2 * GROUP,
            )

    def _advance_probe(self, now: float) -> None:
        probe = self._probe
        if probe is None:
            return
        for packet in probe.due(now):
            self._send(packet)
        if probe.is_over(now):
            self._probe = None
            self._result = probe.result()
            self.seen.probes.append((now, probe.padding))
            self._stats(now)

    # ------------------------------------------------------------ the browser

    def _arrive(self, packet: Packet) -> None:
        now = packet.arrives
        if packet.kind == "mark":
            probe = self._probe
            self._later(now, lambda: probe.answered(packet.number, self._now) if probe is not None else None)
            return
        if packet.kind == "audio":
            self._audio_received += 1
            self._audio_highest = packet.number
        else:
            self._video_bytes += packet.size
        if packet.kind == "video":
            self._video(packet, now)
        elif packet.kind == "repair" and packet.number in self._missing:
            del self._missing[packet.number]
            self._complete(packet)
        if packet.kind != "audio" and self._receiver.packet(packet.sent * 1_000, now * 1_000, packet.size):
            if self._reports_with_estimates:
                self._report(now)
            else:
                estimate = self._receiver.remb_bps
                self._later(now, lambda: self._tell_early(self._reports.take_estimate(estimate)))

    def _video(self, packet: Packet, now: float) -> None:
        for number in range(self._highest + 1, packet.number):
            if self._highest >= 0:
                self._missing[number] = (now, 0)
        self._highest = max(self._highest, packet.number)
        self._received += 1
        assert packet.frame is not None
        self._newest_sent, self._newest_live = packet.sent, self._pace is None
        self._complete(packet)
        transit = (now - packet.sent) * 1_000
        if self._transit_ms is not None:
            self._jitter_ms += (abs(transit - self._transit_ms) - self._jitter_ms) / 16
        self._transit_ms = transit

    def _complete(self, packet: Packet) -> None:
        if packet.frame is not None:
            packet.frame.left -= 1

    def _ask_again(self, now: float) -> None:
        for number, (due, tries) in list(self._missing.items()):
            if now < due:
                continue
            if tries == 10 or number < self._switched_at_number:
                del self._missing[number]
                if tries == 10:
                    self.seen.pictures.give_up()
                    self._wants_keyframe(now)
                continue
            self._missing[number] = (now + max(0.02, self._reports.rtt_ms / 1_000 or 0.1), tries + 1)
            self._later(now, lambda number=number: self._repair(number))  # type: ignore[misc]

    def _repair(self, number: int) -> None:
        packet = self._sent.get(number)
        held = self._pending is not None and self._pending[2]
        if packet is not None and number >= self._switched_at_number and not held:
            self._send(Packet("repair", self._now, packet.size, number, packet.frame))

    def _report(self, now: float) -> None:
        """A report, and the estimate in it."""
        expected = self._highest + self._audio_highest + 2
        received = self._received + self._audio_received
        estimate = self._receiver.remb_bps if self._remb else 0
        newest, live = self._newest_sent, self._newest_live
        rtt, got = self._sender_report, (self._video_bytes, self._switched_at_number)
        heard = (expected, expected - received)
        self._later(now, lambda: self._take_report(estimate, heard, newest if live else 0.0, got, rtt))

    # ------------------------------------------------------------ the edge decides

    def _take_report(
        self,
        estimate: int,
        heard: tuple[int, int],
        newest: float,
        got: tuple[int, int],
        sender_report: tuple[float, float] | None,
    ) -> None:
        now = self._now
        if sender_report is not None:
            self._reports.rtt_ms = sender_report[1] * 1_000
        self._tell_early(self._reports.take(now, estimate, heard, newest, got))

    def _tell_early(self, news: bool) -> None:
        if self._early and news and self._now - self._stats_at >= EARLY_S:
            self._stats(self._now)

    def _stats(self, now: float) -> None:
        if now <= self._stats_at:
            return
        sent_bps = int(self._bytes * 8 / (now - self._stats_at))
        figures = self._reports.figures(sent_bps=sent_bps, other_bps=AUDIO_BPS, jitter_ms=self._jitter_ms)
        self._bytes = 0
        self._stats_at = now
        arrives = self._link.take(now, 90)
        if arrives is not None:  # a sender report, whose round trip the next report tells
            self._sender_report = (now, arrives - now + self._link.at(now).delay_ms / 1_000)
        self.seen.figures.append((now, figures))
        self._choose(figures, now)

    def _choose(self, figures: LinkFigures, now: float) -> None:
        going_to = self._pending[1] if self._pending is not None else self._current
        result, self._result = self._result, None
        choice = self.selector.choose(
            self._options,
            going_to.track,
            figures,
            now,
            layers=going_to.layers,
            switching=self._pending is not None,
            probed=result,
        )
        if self.selector.starved:
            self.seen.starved.append(now)
        self._limit_bps = choice.pace_bps
        if choice.probe is not None:
            self._probe = ProbeModel(choice.probe.bitrate_bps, choice.probe.duration_ms / 1_000)
        chosen = next(o for o in self._options if (o.track, o.layers) == (choice.track, choice.layers))
        if chosen == going_to:
            return
        if chosen.track == self._current.track:
            self._pending = None
            if chosen != self._current:
                self._current = chosen
                self.seen.changes.append((now, chosen))
            return
        hold = self._options.index(chosen) < self._options.index(self._current)
        if hold:
            for packet in self._backlog:
                self._sent.pop(packet.number, None)
                self._next = min(self._next, packet.number)
            self._backlog.clear()
        self._pending = (now + self._random.uniform(0.06, 0.24), chosen, hold)
