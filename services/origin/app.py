"""The origin, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import time

from rillcast.contracts import subjects
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol
from rillcast.node.media_node import MediaNode, Report, open_media_node
from services.origin.adapters.bus_requests import serve_requests
from services.origin.config import OriginSettings
from services.origin.usecases.claims import Claims
from services.origin.usecases.parenting import Parenting
from services.origin.usecases.stream_owner import Publishing

__all__ = ["Origin", "OriginSettings", "run"]

TICK_S = 0.1


class Origin:
    """One origin on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(self, settings: OriginSettings, media: MediaNode) -> None:
        self._media = media
        self.parenting = Parenting(media.plane, media.addresses, settings.relay_child_limit)
        self.publishing = Publishing(
            node=media.node,
            plane=media.plane,
            addresses=media.addresses,
            load=media.load,
            claims=Claims(media.node, media.streams, media.bus, media.clock, subjects.STREAM_LEASE_S),
            parenting=self.parenting,
            outbox=media.outbox,
            tasks=media.tasks,
            clock=media.clock,
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )
        media.on_event(self._heard)
        media.every(TICK_S, self.publishing.tick)
        media.watch.on_change(self._stream_changed)

    async def serve(self) -> None:
        """Begin to answer requests."""
        await serve_requests(self._media.bus, self._media.node, self.publishing, self.parenting)

    def report(self) -> Report:
        """What the heartbeat shall say."""
        return self._media.load.report(self.publishing.streams), self.publishing.carried()

    def _heard(self, event: protocol.Event) -> None:
        if isinstance(event, protocol.SourceStats):
            self.publishing.on_source_stats(event)
            return
        self.publishing.on_event(event)
        self.parenting.on_event(event)

    def _stream_changed(self, key: str) -> None:
        self.publishing.on_stream_changed(key, self._media.watch.directory.by_key(key))


async def run(settings: OriginSettings) -> None:
    """Run an origin until it is told to stop."""
    async with open_media_node(settings, NodeKind.ORIGIN) as (node, media):
        origin = Origin(settings, media)
        await origin.serve()
        await media.live(node, report=origin.report, drain=origin.publishing.drain)
