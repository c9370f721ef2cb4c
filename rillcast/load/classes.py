"""What viewers behind links were shown, by link: sums over viewers and seconds, never per packet."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rillcast.load.link import Link


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """One second of one viewer, as the native thread tells it; see native/crates/load/src/report.rs."""

    id: int
    at_us: int
    span_us: int
    limit_bps: int
    bytes: int
    padding_bytes: int
    queue_drops: int
    random_losses: int
    height: int
    pictures: int
    switches: int
    freezes: int
    frozen_us: int
    standing_us: int
    video: int
    video_lost: int
    audio: int
    audio_lost: int
    nacked: int
    repaired: int
    plis: int
    remb_bps: int


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one second, summed over all viewers behind one simulated link."""

    second: int
    """The number of the second since the figures began; 0 is the first."""
    viewers: int
    limit_bps: int
    """The rate of the link in that second; 0 = it has no limit."""
    received_bps: int
    """Per viewer, IP and UDP headers included."""
    estimate_bps: int
    """The viewers' own, as they told it: the mean."""
    heights: dict[str, int]
    """How many saw which height at its end; "0": nothing yet."""
    frozen_s: float
    """Sum over the viewers."""
    audio_lost: int


class LinkClass(msgspec.Struct, frozen=True, kw_only=True):
    """The viewers of one link while everybody watched. Means are per viewer."""

    name: str
    viewers: int
    limit_bps: int
    """Mean over time, 0 = none."""
    first_picture_s: float
    """Median of the times from the beginning of a join to the first picture, in seconds; 0 without any."""
    first_picture_s_most: float
    """Of the viewer who waited longest and got one."""
    without_picture: int
    """Viewers who never got one."""
    received_bps: int
    used: float
    """Share of the limit that was used; 0 without limit."""
    padding: float
    """Share of what was received that the viewer had already: the server trying the link."""
    heights: dict[str, float]
    """Share of the time that a height was shown, highest first."""
    switches: float
    freezes: float
    frozen_s: float
    frozen_s_most: float
    """Of the viewer who had most."""
    video: int
    """Packets of all viewers, repaired ones among them."""
    video_lost: int
    """Packets that a picture still needed and that repair did not bring in time."""
    repaired: int
    audio: int
    audio_lost: int
    queue_drops: int
    """Datagrams the links' queues had no room for, and those lost at random."""
    random_losses: int
    plis: int
    over_time: tuple[Moment, ...]
    pictures: tuple[tuple[tuple[float, int], ...], ...]
    """Of each viewer: (second, height) whenever the height changed; the first at 0."""

    @property
    def audio_lost_share(self) -> float:
        return self.audio_lost / max(1, self.audio + self.audio_lost)


class Classes:
    """Gathers what the native thread tells."""

    def __init__(self, links: Sequence[Link], viewers: int) -> None:
        """Viewer `i` sits behind ``links[i % len(links)]``."""
        self._links, self._viewers = links, viewers
        self._pictures: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._seconds: dict[tuple[str, int], list[Second]] = defaultdict(list)

    def picture(self, viewer: int, at_us: int, height: int) -> None:
        """The viewer's picture changed its height."""
        self._pictures[viewer].append((at_us, height))

    def add(self, seconds: Iterable[Second], since_us: int) -> None:
        """`since_us`: when the figures began; what was before is left out."""
        for second in seconds:
            begun_us = second.at_us - second.span_us
            if begun_us >= since_us:
                # Viewers' seconds begin together but drift apart by the generator's turns.
                number = round((begun_us - since_us) / 1_000_000)
                self._seconds[self._name(second.id), number].append(second)

    def _name(self, viewer: int) -> str:
        return self._links[viewer % len(self._links)].name

    def result(self, since_us: int, first_pictures_ms: Mapping[int, float]) -> tuple[LinkClass, ...]:
        """A class for each link, in their order. `first_pictures_ms`: by viewer, from the beginning of its join."""
        names = dict.fromkeys(link.name for link in self._links)
        return tuple(self._class(name, since_us, first_pictures_ms) for name in names)

    def _class(self, name: str, since_us: int, first_pictures_ms: Mapping[int, float]) -> LinkClass:
        ids = [i for i in range(self._viewers) if self._name(i) == name]
        moments = {number: found for (of, number), found in sorted(self._seconds.items()) if of == name}
        seconds = [s for found in moments.values() for s in found]
        by_viewer: dict[int, list[Second]] = defaultdict(list)
        for s in seconds:
            by_viewer[s.id].append(s)
        count = max(1, len(by_viewer))
        frozen = [_frozen_s(found) for found in by_viewer.values()]
        time_us = sum(s.span_us for s in seconds)
        limited = sum(s.limit_bps * s.span_us for s in seconds)
        received, padding = sum(s.bytes for s in seconds), sum(s.padding_bytes for s in seconds)
        firsts = [first_pictures_ms[i] / 1000 for i in ids if i in first_pictures_ms]
        heights = Counter[int]()
        for s in seconds:
            heights[s.height] += s.span_us
        return LinkClass(
            name=name,
            viewers=len(ids),
            limit_bps=limited // max(1, time_us),
            first_picture_s=round(statistics.median(firsts), 3) if firsts else 0.0,
            first_picture_s_most=round(max(firsts, default=0.0), 3),
            without_picture=len(ids) - len(firsts),
            received_bps=received * 8_000_000 // max(1, time_us),
            used=received * 8_000_000 / limited if limited else 0.0,
            padding=padding / max(1, received),
            heights={str(h): heights[h] / time_us for h in sorted(heights, reverse=True)},
            switches=sum(s.switches for s in seconds) / count,
            freezes=sum(s.freezes for s in seconds) / count,
            frozen_s=sum(frozen) / count,
            frozen_s_most=max(frozen, default=0.0),
            video=sum(s.video for s in seconds),
            video_lost=sum(s.video_lost for s in seconds),
            repaired=sum(s.repaired for s in seconds),
            audio=sum(s.audio for s in seconds),
            audio_lost=sum(s.audio_lost for s in seconds),
            queue_drops=sum(s.queue_drops for s in seconds),
            random_losses=sum(s.random_losses for s in seconds),
            plis=sum(s.plis for s in seconds),
            over_time=tuple(_moment(number, found) for number, found in moments.items()),
            pictures=tuple(_changes(self._pictures.get(i, []), since_us) for i in ids),
        )


def _frozen_s(seconds: Sequence[Second]) -> float:
    """Freezes that are over, and the one that the last second ended in."""
    return (sum(s.frozen_us for s in seconds) + seconds[-1].standing_us) / 1e6


def _moment(number: int, seconds: Sequence[Second]) -> Moment:
    span_us = sum(s.span_us for s in seconds)
    heights = Counter(s.height for s in seconds)
    return Moment(
        second=number,
        viewers=len(seconds),
        limit_bps=seconds[0].limit_bps,
        received_bps=sum(s.bytes for s in seconds) * 8_000_000 // max(1, span_us),
        estimate_bps=sum(s.remb_bps for s in seconds) // len(seconds),
        heights={str(h): heights[h] for h in sorted(heights, reverse=True)},
        frozen_s=sum(s.frozen_us for s in seconds) / 1e6,
        audio_lost=sum(s.audio_lost for s in seconds),
    )


def _changes(pictures: Sequence[tuple[int, int]], since_us: int) -> tuple[tuple[float, int], ...]:
    before = [height for at_us, height in pictures if at_us <= since_us]
    later = [(round((at_us - since_us) / 1e6, 2), height) for at_us, height in pictures if at_us > since_us]
    return ((0.0, before[-1] if before else 0), *later)
