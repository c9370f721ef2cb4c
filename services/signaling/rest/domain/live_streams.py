"""Pictures of streams: pages of them, one of them, and all in a few figures. No I/O, no clock.

Where all streams are looked at, this is done in steps, between which others get their turn.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import msgspec

from rillcast.cluster.health import Verdict
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.health import MEANINGS, Health, Trouble
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from services.signaling.rest.domain.live_ask import WORST_IN_OVERVIEW, Ask, StreamSort
from services.signaling.rest.domain.live_delta import Picture
from services.signaling.rest.domain.live_nodes import StreamTotals
from services.signaling.rest.domain.live_rows import PageHead, Row, StreamHead, StreamRow, TrackRow

STEP = 2_000
"""Streams that are looked at before others get their turn: a millisecond or two."""
MOST_NAME = 200
_NOTHING: Mapping[Trouble, int] = {}
Result = TypeVar("Result")
Steps = Generator[None, None, Result]


class SeenStream(NamedTuple):
    """One stream and how well it goes."""

    live: LiveStream
    viewers: int
    verdict: Verdict
    suffering: int
    told: Mapping[Trouble, int]


class StreamIndex(msgspec.Struct, frozen=True):
    """All streams at one moment."""

    streams: Sequence[SeenStream] = ()
    totals: StreamTotals = StreamTotals()


def stream_row(seen: SeenStream, live: LiveStream, edges: int) -> StreamRow:
    """`live`: with the newest bit rates. `edges`: how many carry it."""
    record = live.record
    tracks = [supply.track for supply in live.supplies()]
    videos = {track.height for track in tracks if track.kind is MediaKind.VIDEO and track.height}
    return StreamRow(
        app=live.app,
        stream=live.stream,
        name=record.name[:MOST_NAME],
        owner=record.owner,
        health=seen.verdict.health,
        trouble=seen.verdict.trouble,
        viewers=seen.viewers,
        suffering=seen.suffering,
        edges=edges,
        kbps=_kbps(record.tracks),
        heights=tuple(sorted(videos, reverse=True)),
        codecs=tuple(sorted({track.codec for track in tracks})),
        started_ms=record.started_at_ms,
        publish_type=record.publish_type,
    )


def _kbps(tracks: Iterable[TrackRecord]) -> int:
    return round(sum(track.bitrate_bps for track in tracks) / 10_000) * 10


def suffering_of(told: Mapping[Trouble, int]) -> int:
    """How many viewers have a trouble that they see."""
    return sum(count for trouble, count in told.items() if MEANINGS[trouble].health is Health.BAD)


def totals_of(streams: Sequence[SeenStream], row: Callable[[SeenStream], StreamRow]) -> Steps[StreamTotals]:
    """All streams in a few figures."""
    health: Counter[str] = Counter()
    troubles: Counter[str] = Counter()
    viewers = 0
    worst: list[SeenStream] = []
    for start in range(0, len(streams), STEP):
        some = streams[start : start + STEP]
        for seen in some:
            health[seen.verdict.health.value] += 1
            viewers += seen.viewers
            for trouble, count in seen.told.items():
                troubles[trouble.value] += count
        bad = [seen for seen in some if seen.verdict.health is not Health.GOOD]
        worst = heapq.nlargest(WORST_IN_OVERVIEW, chain(worst, bad), key=_worse)
        yield
    return StreamTotals(
        streams=len(streams),
        viewers=viewers,
        health=dict(sorted(health.items())),
        troubles=dict(sorted(troubles.items())),
        worst=tuple(row(seen) for seen in worst),
    )


def _worse(seen: SeenStream) -> tuple[int, int, int]:
    return seen.verdict.rank, seen.suffering, seen.viewers


_SORTS: dict[str, Callable[[SeenStream], tuple[int | str, ...]]] = {
    StreamSort.HEALTH.value: lambda seen: (seen.verdict.rank, seen.suffering, seen.viewers, seen.live.key),
    StreamSort.VIEWERS.value: lambda seen: (seen.viewers, seen.live.key),
    StreamSort.STARTED.value: lambda seen: (seen.live.record.started_at_ms, seen.live.key),
    StreamSort.NAME.value: lambda seen: (seen.live.key,),
}


def stream_page(streams: Sequence[SeenStream], ask: Ask, row: Callable[[SeenStream], StreamRow]) -> Steps[Picture]:
    """One page of the streams."""
    choose = heapq.nlargest if ask.descending else heapq.nsmallest
    key, most = _SORTS[ask.sort], ask.offset + ask.size
    best: list[SeenStream] = []
    matched = 0
    for start in range(0, len(streams), STEP):
        some = [seen for seen in streams[start : start + STEP] if _fits(seen, ask)]
        matched += len(some)
        best = choose(most, chain(best, some), key=key)
        yield
    shown = [row(seen) for seen in best[ask.offset :]]
    head = PageHead(total=len(streams), matched=matched, offset=ask.offset, size=ask.size)
    rows: dict[str, Row] = {f"{one.app}/{one.stream}": one for one in shown}
    return Picture(head, {"streams": rows}, tuple(rows))


def _fits(seen: SeenStream, ask: Ask) -> bool:
    record = seen.live.record
    if (ask.app and ask.app != record.app) or (ask.health and ask.health is not seen.verdict.health):
        return False
    if ask.node and ask.node != record.owner:
        return False
    return not ask.q or ask.q in f"{record.app}/{record.stream}".lower() or ask.q in record.name.lower()


def one_stream(
    seen: SeenStream | None, row: Callable[[SeenStream], StreamRow], around: Mapping[str, Mapping[str, Row]]
) -> Picture:
    """One stream. `around`: the sections of what was asked of others."""
    if seen is None:
        return Picture(StreamHead(found=False), {"tracks": {}, **around})
    record = seen.live.record
    head = StreamHead(
        found=True,
        stream=row(seen),
        epoch=seen.live.epoch.number,
        silent=record.silent,
        backup=record.backup or "",
        packets=record.figures.packets,
        packets_lost=record.figures.packets_lost,
        received_bytes=record.figures.received_bytes,
        troubles={trouble.value: count for trouble, count in sorted(seen.told.items())},
    )
    tracks: dict[str, Row] = {
        f"{supply.track.track} {supply.track.codec}": TrackRow(
            track=supply.track.track,
            mid=supply.track.mid,
            kind=supply.track.kind.value,
            codec=supply.track.codec,
            node=supply.node,
            kbps=round(supply.track.bitrate_bps / 1_000),
            width=supply.track.width,
            height=supply.track.height,
        )
        for supply in seen.live.supplies()
    }
    return Picture(head, {"tracks": tracks, **around})
