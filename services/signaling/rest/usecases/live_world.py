"""What this instance knows of the cluster, gathered for people who look at it. Costs nothing while nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol

from rillcast.cluster.health import StreamFacts, stream_verdict
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.suspicion import State
from services.signaling.rest.domain.live_nodes import SeenNode
from services.signaling.rest.domain.live_rows import StreamRow
from services.signaling.rest.domain.live_streams import (
    STEP,
    Result,
    SeenStream,
    Steps,
    StreamIndex,
    stream_row,
    suffering_of,
    totals_of,
)
from services.signaling.rest.usecases.node_book import NodeBook

MOST_STARTS = 10_000
"""Processes whose start is remembered."""
_LOST = frozenset({State.FROZEN, State.MISSING, State.GONE})
_NOTHING: Mapping[Trouble, int] = {}
_Told = dict[tuple[str, str], dict[Trouble, int]]


class Thoughts(Protocol):
    """The part of `NodeDirectory` that is used here."""

    def all(self) -> list[NodeReport]: ...

    def get(self, node: NodeId) -> NodeReport | None: ...

    def thought_of(self, node: NodeId) -> State: ...


class KnownStreams(Protocol):
    """The part of `DirectoryStreams` that is used here."""

    def all(self) -> Iterable[LiveStream]: ...

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None: ...


class Audience(Protocol):
    """The part of `Carriers` that is used here."""

    def viewers(self, app: AppName, stream: StreamId) -> int: ...

    def nodes(self, stream: tuple[AppName, StreamId]) -> Mapping[NodeId, None]: ...


class LiveWorld:
    """One per signaling instance."""

    def __init__(
        self, book: NodeBook, nodes: Thoughts, streams: KnownStreams, audience: Audience, wall_ms: Callable[[], int]
    ) -> None:
        self._book = book
        self._nodes = nodes
        self._streams = streams
        self._audience = audience
        self._wall_ms = wall_ms
        self._starts: dict[tuple[str, str], int] = {}
        self._told: _Told | None = None
        """What nodes say of streams; None: it is to be gathered again."""
        self.index = StreamIndex()
        """All streams, as they were at the last `look_at_streams`."""

    def nodes(self) -> list[SeenNode]:
        """Those that are heard of, and those that died lately, by id. What nodes say of streams is gathered anew after
        that."""
        self._told = None
        return [
            SeenNode(
                report=one.report,
                alive=one.alive,
                heard_ms=one.heard_ms,
                since_ms=self._since_ms(one.report),
                doubt=self._doubt(one.report.info.node) if one.alive else "",
            )
            for one in self._book.all()
        ]

    async def look_at_streams(self) -> None:
        """Make `index` anew. Others get their turn after each `STEP` streams."""
        told = _told(self._nodes.all())
        lost = {report.info.node for report in self._nodes.all() if self._nodes.thought_of(report.info.node) in _LOST}
        there = {report.info.node for report in self._nodes.all() if report.info.kind is NodeKind.ORIGIN} - lost
        found: list[SeenStream] = []
        lives = iter(self._streams.all())
        while some := list(islice(lives, STEP)):
            found += [self._seen(live, told, there) for live in some]
            await asyncio.sleep(0)
        self.index = StreamIndex(found, await walked(totals_of(found, self.row)))

    def stream(self, app: str, stream: str) -> SeenStream | None:
        """One stream at this moment."""
        live = self._streams.published(AppName(app), StreamId(stream))
        if live is None:
            return None
        owner = live.record.owner
        alive = self._nodes.get(owner) is not None and self._nodes.thought_of(owner) not in _LOST
        if self._told is None:
            self._told = _told(self._nodes.all())
        return self._seen(live, self._told, {owner} if alive else set())

    def row(self, seen: SeenStream) -> StreamRow:
        """As lists show it, with its newest bit rates."""
        live = self._streams.published(seen.live.app, seen.live.stream) or seen.live
        return stream_row(seen, live, len(self._audience.nodes((live.app, live.stream))))

    def row_of(self, app: str, stream: str) -> StreamRow | None:
        """The same, by app and id."""
        seen = self.stream(app, stream)
        return None if seen is None else self.row(seen)

    def edges_of(self, app: str, stream: str) -> list[tuple[NodeReport, int]]:
        """The edges that name the stream, with its viewers there, most viewers first."""
        names = self._audience.nodes((AppName(app), StreamId(stream)))
        reports = [report for name in names if (report := self._nodes.get(name)) is not None]
        counts = [(report, _viewers(report, app, stream)) for report in reports]
        return sorted(counts, key=lambda one: -one[1])

    def _seen(self, live: LiveStream, told: _Told, there: set[NodeId]) -> SeenStream:
        record = live.record
        of_stream = told.get((record.app, record.stream), _NOTHING)
        viewers = self._audience.viewers(record.app, record.stream)
        facts = StreamFacts(
            owner_lost=record.owner not in there,
            media_flowing=record.media_flowing,
            silent=record.silent,
            on_backup=record.backup is not None,
            viewers=viewers,
        )
        return SeenStream(live, viewers, stream_verdict(facts, of_stream), suffering_of(of_stream), of_stream)

    def _doubt(self, node: NodeId) -> str:
        state = self._nodes.thought_of(node)
        return "" if state is State.CLEAR else state.value

    def _since_ms(self, report: NodeReport) -> int:
        key = report.info.node, report.info.incarnation
        known = self._starts.get(key)
        if known is None:
            if len(self._starts) >= MOST_STARTS:
                self._starts.clear()
            known = self._starts[key] = self._wall_ms() - int(report.up_s * 1_000)
        return known


async def walked(steps: Steps[Result]) -> Result:
    """The result of something that is done in steps, between which others get their turn."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        await asyncio.sleep(0)


def _told(reports: Iterable[NodeReport]) -> _Told:
    found: _Told = {}
    for app, stream, trouble, viewers in _troubles(reports):
        of_stream = found.setdefault((app, stream), {})
        of_stream[trouble] = of_stream.get(trouble, 0) + viewers
    return found


def _troubles(reports: Iterable[NodeReport]) -> Iterator[tuple[str, str, Trouble, int]]:
    for report in reports:
        for one in report.condition.troubles if report.condition is not None else ():
            yield one.app, one.stream, one.trouble, one.viewers


def _viewers(report: NodeReport, app: str, stream: str) -> int:
    return next((one.viewers for one in report.carried if one.stream == stream and one.app == app), 0)
