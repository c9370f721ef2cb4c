"""What a viewer's browser shows of the packets that reach it: complete pictures in order, behind a jitter buffer, and
how long they stand still. After `native/crates/load/src/pictures.rs`."""

from __future__ import annotations

from collections import deque

PATIENCE_S = 0.1
"""A keyframe behind a hole waits so long for repairs of what is before it."""
LEAST_FREEZE_S = 0.15
BUFFER_SPAN_S = 5.0
MOST_BUFFER_S = 0.5
NO_PICTURE_S = 1.0
"""A keyframe is asked for when there was no picture for so long."""


class Frame:
    """A picture on its way."""

    __slots__ = ("height", "key", "left", "made_at")

    def __init__(self, made_at: float, packets: int, height: int, *, key: bool) -> None:
        self.made_at, self.left, self.height, self.key = made_at, packets, height, key


class Pictures:
    """Frames are announced in the order of sending, and packets of them arrive in any."""

    def __init__(self) -> None:
        self._coming: deque[Frame] = deque()
        self._shown_at: float | None = None
        self._played_at: float | None = None
        self._gaps: deque[float] = deque(maxlen=30)
        self._spans: list[tuple[float, float] | None] = [None, None]
        self._span_at = 0.0
        self._waits_for_key = True
        self.first_at: float | None = None
        self.shown = 0
        self.skipped = 0
        self.frozen_s = 0.0
        self.freezes: list[tuple[float, float]] = []
        """(when it ended, how long it was)"""

    def sent(self, frame: Frame) -> None:
        self._coming.append(frame)

    def advance(self, now: float) -> bool:
        """Show what can be shown. Whether a keyframe is to be asked for."""
        while self._coming:
            front = self._coming[0]
            if front.left == 0 and (front.key or not self._waits_for_key):
                self._show(self._coming.popleft(), now)
                continue
            impatient = self._shown_at is None or now - self._shown_at >= PATIENCE_S
            key = next((i for i, frame in enumerate(self._coming) if frame.key and frame.left == 0), None)
            if key is None or not (impatient or self._waits_for_key):
                break
            for _ in range(key):
                self._coming.popleft()
                self.skipped += 1
        return self._shown_at is not None and now - self._shown_at > NO_PICTURE_S

    def give_up(self) -> None:
        """Something can't be repaired: only a keyframe helps."""
        self._waits_for_key = True

    def _show(self, frame: Frame, now: float) -> None:
        self._waits_for_key = False
        self.shown += 1
        self._shown_at = now
        self.first_at = now if self.first_at is None else self.first_at
        plays = max(self._plays_at(now, frame.made_at), self._played_at or 0.0)
        if self._played_at is not None:
            gap = plays - self._played_at
            mean = sum(self._gaps) / max(1, len(self._gaps))
            if len(self._gaps) >= 5 and gap > max(LEAST_FREEZE_S, 3 * mean):
                self.frozen_s += gap
                self.freezes.append((now, gap))
            self._gaps.append(gap)
        self._played_at = plays

    def _plays_at(self, now: float, made_at: float) -> float:
        transit = now - made_at
        before = max((span[1] for span in self._spans if span is not None), default=transit)
        if now >= self._span_at + BUFFER_SPAN_S:
            self._spans, self._span_at = [None, self._spans[0]], now
        least, most = self._spans[0] or (transit, transit)
        self._spans[0] = (min(least, transit), max(most, transit))
        least = min(span[0] for span in self._spans if span is not None)
        return max(now, made_at + min(before, least + MOST_BUFFER_S))
