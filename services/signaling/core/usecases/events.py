"""The parts that note and tell what happens in the cluster, built together."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

import msgspec

from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import NodeInfo
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.ports import Journal
from services.signaling.core.domain.session_history import SessionHistory
from services.signaling.core.usecases.chronicle import Chronicle
from services.signaling.core.usecases.cluster_chronicle import NodeChronicle, StreamChronicle
from services.signaling.core.usecases.event_feed import EventFeed
from services.signaling.core.usecases.join_chronicle import JoinChronicle
from services.signaling.core.usecases.join_traces import JoinTraces


class Runs(Protocol):
    """The part of the node that this needs."""

    @property
    def info(self) -> NodeInfo: ...

    @property
    def directory(self) -> NodeDirectory: ...

    def spawn(self, coroutine: Coroutine[None, None, None], name: str) -> object: ...

    def on_drain(self, hook: Callable[[], Awaitable[None]]) -> None: ...


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """One per signaling instance."""

    chronicle: Chronicle
    joins: JoinChronicle
    traces: JoinTraces
    history: SessionHistory
    feed: EventFeed

    @classmethod
    def build(
        cls, journal: Journal, host: Runs, streams: StreamWatch, subscriber_of: Callable[[SessionId], str]
    ) -> Events:
        """And let streams and nodes be noted."""
        directory, history = host.directory, SessionHistory()
        chronicle = Chronicle(journal, f"{host.info.node}/{host.info.incarnation}")
        joins = JoinChronicle(
            host.info.node,
            host.info.incarnation,
            chronicle,
            directory,
            subscriber_of=subscriber_of,
            wall_clock=time.time,
        )
        nodes = NodeChronicle(chronicle, directory.has_ended, time.time)
        directory.on_heard(nodes.heard)
        directory.on_gone(nodes.gone)
        directory.on_gone(joins.node_gone)
        streams.on_change(StreamChronicle(chronicle, streams.directory, directory, time.time).changed)
        feed = EventFeed(journal, history)
        host.on_drain(feed.end)
        return cls(chronicle=chronicle, joins=joins, traces=JoinTraces(), history=history, feed=feed)

    def run(self, host: Runs) -> None:
        """Start what goes on beside."""
        host.spawn(self.chronicle.run(), "events")
        host.spawn(self.feed.run(), "event feed")
