"""Which edges have which streams, and for how many viewers: kept up to date with each heartbeat."""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from typing import TypeVar

from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import CarriedStream, NodeReport
from rillcast.contracts.words import NodeKind

StreamKey = tuple[AppName, StreamId]
Key = TypeVar("Key")
_NOBODY: dict[NodeId, None] = {}
_NOTHING: dict[StreamKey, int] = {}


class Carriers:
    """What the edges said last. One per signaling instance. A heartbeat costs by the streams that it names, at most
    500, and a question the same for any number of edges."""

    def __init__(self) -> None:
        self._of_node: dict[NodeId, dict[StreamKey, int]] = {}
        self._nodes: dict[StreamKey, dict[NodeId, None]] = {}
        self._viewers: dict[StreamKey, int] = {}
        self._viewers_of_app: dict[AppName, int] = {}

    def heard(self, report: NodeReport) -> tuple[list[StreamKey], list[StreamKey]]:
        """Take in a heartbeat; those of other nodes than edges say nothing here. Returns the streams that the edge has
        now and had not, and those that it had and has no more."""
        if report.info.kind is not NodeKind.EDGE:
            return [], []
        return self._set(report.info.node, report.carried)

    def gone(self, node: NodeId) -> list[StreamKey]:
        """The edge is gone. Returns the streams that it had."""
        return self._set(node, ())[1]

    def nodes(self, stream: StreamKey) -> Mapping[NodeId, None]:
        """The edges that have the stream: a view."""
        return self._nodes.get(stream, _NOBODY)

    def of(self, node: NodeId) -> KeysView[StreamKey]:
        """The streams that an edge has: a view."""
        return self._of_node.get(node, _NOTHING).keys()

    def viewers(self, app: AppName, stream: StreamId) -> int:
        """How many viewers one stream has in the whole cluster."""
        return self._viewers.get((app, stream), 0)

    def viewers_of_app(self, app: AppName) -> int:
        """How many viewers all streams of an app have in the whole cluster."""
        return self._viewers_of_app.get(app, 0)

    def _set(self, node: NodeId, carried: Iterable[CarriedStream]) -> tuple[list[StreamKey], list[StreamKey]]:
        before = self._of_node.pop(node, _NOTHING)
        now: dict[StreamKey, int] = {}
        for one in carried:
            key = (one.app, one.stream)
            now[key] = now.get(key, 0) + one.viewers
        if now:
            self._of_node[node] = now
        if now == before:
            return [], []
        for key, viewers in now.items():
            if (more := viewers - before.get(key, 0)) != 0:
                self._count(key, more)
        come = [key for key in now if key not in before]
        left = [key for key in before if key not in now]
        for key in come:
            self._nodes.setdefault(key, {})[node] = None
        for key in left:
            self._count(key, -before[key])
            nodes = self._nodes[key]
            del nodes[node]
            if not nodes:
                del self._nodes[key]
        return come, left

    def _count(self, key: StreamKey, more: int) -> None:
        _add(self._viewers, key, more)
        _add(self._viewers_of_app, key[0], more)


def _add(counts: dict[Key, int], key: Key, more: int) -> None:
    """What comes to 0 is forgotten."""
    total = counts.get(key, 0) + more
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)
