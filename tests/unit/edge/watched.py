"""What one viewer behind a bottleneck was sent, and what became of it."""

from __future__ import annotations

import msgspec
from picture_model import Pictures

from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.options import Option


class Watched(msgspec.Struct):
    """What happened."""

    first: Option
    changes: list[tuple[float, Option]] = []
    """When something else was sent, and what."""
    probes: list[tuple[float, int]] = []
    """(when, bytes of padding)"""
    seconds: list[tuple[float, Option]] = []
    figures: list[tuple[float, LinkFigures]] = []
    starved: list[float] = []
    audio_sent: int = 0
    audio_lost: int = 0
    video_sent: int = 0
    video_lost: int = 0
    sent_bytes: int = 0
    worst_queue_ms: float = 0.0
    pictures: Pictures = msgspec.field(default_factory=Pictures)

    @property
    def switches(self) -> list[tuple[float, int]]:
        """(when, height), of changes to another height."""
        found, height = [], self.first.height
        for at, option in self.changes:
            if option.height != height:
                height = option.height
                found.append((at, height))
        return found

    def after(self, when: float) -> list[tuple[float, int]]:
        return [switch for switch in self.switches if switch[0] >= when]

    def share_at(self, height: int, since: float, until: float) -> float:
        seen = [option.height for at, option in self.seconds if since <= at < until]
        return seen.count(height) / len(seen)

    def frozen_s(self, since: float, until: float) -> float:
        return sum(gap for at, gap in self.pictures.freezes if since <= at < until)

    @property
    def padding(self) -> float:
        """The share of padding in all that was sent."""
        return sum(size for _, size in self.probes) / max(1, self.sent_bytes)
