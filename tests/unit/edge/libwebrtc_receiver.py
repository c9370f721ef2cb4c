"""What a Chromium viewer's receive side says about its link: libwebrtc's delay-based estimate sent as REMB
(`inter_arrival`, `overuse_estimator`, `overuse_detector`, `aimd_rate_control`, `remb_throttler`), in virtual time."""

from __future__ import annotations

import math
from collections import deque

GROUP_MS = 5.0
WINDOW_MS = 1_000.0
PROCESS_MS = 200.0
REDUCE_AGAIN_MS = 200.0
BETA = 0.85
RESPONSE_MS = 600.0
"""(round trip, taken for 200 ms, + 100 ms) × 2"""
INITIALIZED_AFTER_MS = 5_000.0


class _Groups:
    """Differences between bursts of 5 ms of sending: (arrival, sending, bytes)."""

    def __init__(self) -> None:
        self._current: list[float] | None = None
        self._before: list[float] | None = None

    def add(self, sent_ms: float, arrived_ms: float, size: int) -> tuple[float, float, float] | None:
        now = self._current
        if now is None:
            self._current = [sent_ms, sent_ms, arrived_ms, size]
            return None
        burst = arrived_ms - now[2] <= GROUP_MS and (arrived_ms - now[2]) - (sent_ms - now[1]) < 0
        if sent_ms - now[0] <= GROUP_MS or burst:
            now[1], now[2], now[3] = sent_ms, arrived_ms, now[3] + size
            return None
        found = None
        if (old := self._before) is not None:
            found = (now[2] - old[2], now[1] - old[1], now[3] - old[3])
        self._before, self._current = now, [sent_ms, sent_ms, arrived_ms, size]
        return found


class _Kalman:
    """The queue's growth per burst, in ms."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.count = 0
        self._slope = 8.0 / 512.0
        self._e = [[100.0, 0.0], [0.0, 0.1]]
        self._mean = 0.0
        self._variance = 50.0
        self._before = 0.0

    def update(self, arrival: float, sending: float, size: float, state: str) -> None:
        self.count = min(self.count + 1, 1_000)
        e, h = self._e, (size, 1.0)
        e[0][0] += 1e-13
        e[1][1] += 1e-3
        turning = (state == "over" and self.offset < self._before) or (state == "under" and self.offset > self._before)
        if turning:
            e[1][1] += 1e-2
        eh = (e[0][0] * h[0] + e[0][1], e[1][0] * h[0] + e[1][1])
        residual = arrival - sending - self._slope * h[0] - self.offset
        if state == "normal":
            most = 3 * math.sqrt(self._variance)
            self._note_noise(max(-most, min(most, residual)), sending)
        denominator = self._variance + h[0] * eh[0] + eh[1]
        k = (eh[0] / denominator, eh[1] / denominator)
        i = ((1 - k[0] * h[0], -k[0]), (-k[1] * h[0], 1 - k[1]))
        self._e = [
            [e[0][0] * i[0][0] + e[1][0] * i[0][1], e[0][1] * i[0][0] + e[1][1] * i[0][1]],
            [e[0][0] * i[1][0] + e[1][0] * i[1][1], e[0][1] * i[1][0] + e[1][1] * i[1][1]],
        ]
        self._slope += k[0] * residual
        self._before = self.offset
        self.offset += k[1] * residual

    def _note_noise(self, residual: float, sending: float) -> None:
        beta = (1 - (0.002 if self.count > 300 else 0.01)) ** (sending * 30 / 1_000)
        self._mean = beta * self._mean + (1 - beta) * residual
        self._variance = max(1.0, beta * self._variance + (1 - beta) * (self._mean - residual) ** 2)


class _Detector:
    """Whether the growth is overuse, by a threshold that follows the link's habits."""

    def __init__(self) -> None:
        self.state = "normal"
        self._threshold = 12.5
        self._over_ms = -1.0
        self._times = 0
        self._before = 0.0
        self._at = 0.0

    def detect(self, kalman: _Kalman, sending: float, now: float) -> None:
        t = min(kalman.count, 60) * kalman.offset
        if t > self._threshold:
            self._over_ms = sending / 2 if self._over_ms < 0 else self._over_ms + sending
            self._times += 1
            if self._over_ms > 10 and self._times > 1 and kalman.offset >= self._before:
                self._over_ms, self._times, self.state = 0.0, 0, "over"
        else:
            self._over_ms, self._times = -1.0, 0
            self.state = "under" if t < -self._threshold else "normal"
        self._before = kalman.offset
        if abs(t) <= self._threshold + 15:
            k = 0.039 if abs(t) < self._threshold else 0.0087
            self._threshold += k * (abs(t) - self._threshold) * min(now - self._at, 100.0)
            self._threshold = max(6.0, min(600.0, self._threshold))
        self._at = now


class _Aimd:
    """The rate."""

    def __init__(self) -> None:
        self.bps = 0.0
        self._hold = True
        self._changed_at = 0.0
        self._capacity: float | None = None
        self._deviation = 0.4
        self._first_at: float | None = None

    def may_reduce(self, throughput: float, now: float) -> bool:
        return now - self._changed_at >= REDUCE_AGAIN_MS or throughput < self.bps / 2

    def update(self, state: str, throughput: float, now: float) -> None:
        self._first_at = now if self._first_at is None else self._first_at
        if not self.bps and now - self._first_at > INITIALIZED_AFTER_MS:
            self.bps = throughput
        if state == "over":
            self._decrease(throughput)
            self._hold = True
        elif state == "under":
            self._hold = True
        elif self._hold:
            self._hold = False
            self._changed_at = now
        elif self.bps:
            self._increase(throughput, (now - self._changed_at) / 1_000)
        if state == "over" or not self._hold:
            self._changed_at = now

    def _spread(self) -> float:
        assert self._capacity is not None
        return 3 * math.sqrt(self._deviation * self._capacity)

    def _increase(self, throughput: float, seconds: float) -> None:
        if self._capacity is not None and throughput / 1_000 > self._capacity + self._spread():
            self._capacity = None
        if self._capacity is not None:
            frame = self.bps / 30 / 8
            grown = self.bps + max(4_000.0, frame / math.ceil(frame / 1_200) * 8 / (RESPONSE_MS / 1_000)) * seconds
        else:
            grown = self.bps + max(1_000.0, self.bps * (1.08 ** min(seconds, 1.0) - 1))
        self.bps = max(self.bps, min(grown, 1.5 * throughput + 10_000))

    def _decrease(self, throughput: float) -> None:
        reduced = BETA * throughput
        if self.bps and reduced > self.bps and self._capacity is not None:
            reduced = BETA * self._capacity * 1_000
        self.bps = min(self.bps, reduced) if self.bps else reduced
        kbps = throughput / 1_000
        if self._capacity is not None and kbps < self._capacity - self._spread():
            self._capacity = None
        if self._capacity is None:
            self._capacity = kbps
            return
        self._capacity += 0.05 * (kbps - self._capacity)
        error = self._capacity - kbps
        self._deviation = 0.95 * self._deviation + 0.05 * error * error / max(self._capacity, 1.0)
        self._deviation = max(0.4, min(2.5, self._deviation))


class Receiver:
    """Packets in, REMBs out."""

    def __init__(self) -> None:
        self.remb_bps = 0
        """The last one sent."""
        self._groups, self._kalman, self._detector, self._aimd = _Groups(), _Kalman(), _Detector(), _Aimd()
        self._window: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self._processed_at = 0.0
        self._sent_at = -math.inf

    def packet(self, sent_ms: float, arrived_ms: float, size: int) -> bool:
        """Whether a REMB goes out now. Times of arrival must not go back."""
        self._window.append((arrived_ms, size))
        self._bytes += size
        while self._window[0][0] <= arrived_ms - WINDOW_MS:
            self._bytes -= self._window.popleft()[1]
        if (delta := self._groups.add(sent_ms, arrived_ms, size)) is not None:
            self._kalman.update(*delta, self._detector.state)
            self._detector.detect(self._kalman, delta[1], arrived_ms)
        throughput = self._bytes * 8 / (WINDOW_MS / 1_000)
        overuse = self._detector.state == "over" and self._aimd.may_reduce(throughput, arrived_ms)
        if not overuse and arrived_ms - self._processed_at < PROCESS_MS:
            return False
        self._processed_at = arrived_ms
        self._aimd.update(self._detector.state, throughput, arrived_ms)
        return self._send(arrived_ms)

    def _send(self, now: float) -> bool:
        bps = int(self._aimd.bps)
        if not bps or (bps >= self.remb_bps * 100 / 103 and now - self._sent_at < PROCESS_MS):
            return False
        self.remb_bps, self._sent_at = bps, now
        return True
