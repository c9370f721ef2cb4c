"""The origin, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

from rillcast.contracts.words import NodeKind
from rillcast.node.media_node import MediaNode, Report, open_media_node
from rillcast.relay.parent import RelayParent
from rillcast.relay.witness import Vouching
from rillcast.runtime.wall_clock import wall_ms
from services.origin import metrics
from services.origin.adapters.bus_requests import serve_requests
from services.origin.config import OriginSettings
from services.origin.usecases.claims import Claims
from services.origin.usecases.owned_streams import OwnedStreams
from services.origin.usecases.stream_owner import StreamOwner
from services.origin.usecases.webrtc_ingest import WebRtcIngest

__all__ = ["Origin", "OriginSettings", "run"]

TICK_S = 0.1
"""How late a start timeout or a grace time may be noticed."""
DRAIN_SHARE = 0.8
"""Of `drain_timeout_s`: how long publishers may take to move. The rest is for saying so and for closing."""


class Origin:
    """One origin on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(self, settings: OriginSettings, media: MediaNode) -> None:
        self._media = media
        self._streams = streams = OwnedStreams()
        self.relays = RelayParent(
            plane=media.plane,
            addresses=media.addresses,
            keys=media.relay_keys,
            offer_of=streams.relay_offer,
            child_limit=settings.max_children,
            span="origin.relay_open",
            on_outcome=lambda outcome: metrics.RELAY_OPENS.labels(outcome).inc(),
            on_count=metrics.RELAYS.set,
            on_child_lost=metrics.RELAY_CHILDREN_LOST.inc,
        )
        self.owner = StreamOwner(
            node=media.node,
            plane=media.plane,
            load=media.load,
            admission=media,
            claims=Claims(
                node=media.node,
                streams=media.streams,
                known=media.watch.directory.by_key,
                bus=media.bus,
                tasks=media.tasks,
                clock=media.clock,
                wall_ms=wall_ms,
                lease_s=media.lease_s,
            ),
            streams=streams,
            relays=self.relays,
            outbox=media.outbox,
            tasks=media.tasks,
            clock=media.clock,
            wall_ms=wall_ms,
            drain_s=settings.drain_timeout_s * DRAIN_SHARE,
        )
        self.webrtc = WebRtcIngest(
            node=media.node, plane=media.plane, addresses=media.addresses, owner=self.owner, outbox=media.outbox
        )
        self._vouching = Vouching(media.node, media.outbox, children=self.relays.witness)
        for handler in (self._vouching.on_event, self.webrtc.on_event, self.relays.on_event, self.owner.on_event):
            media.on_event(handler)
        media.every(TICK_S, self.owner.tick)
        media.watch.on_change(lambda key: self.owner.on_stream_changed(key, media.watch.directory.by_key(key)))

    async def serve(self) -> None:
        """Begin to answer requests on the bus."""
        await serve_requests(self._media.bus, self._media.node, self.owner, self.webrtc, self.relays)
        await self._vouching.serve(self._media.bus)

    def report(self) -> Report:
        """What the heartbeat shall say: the load, and the streams with their children."""
        return self._media.load.report(len(self._streams)), self.owner.carried()


async def run(settings: OriginSettings) -> None:
    """Run an origin until it is told to stop."""
    async with open_media_node(settings, NodeKind.ORIGIN) as (node, media):
        origin = Origin(settings, media)
        await origin.serve()
        await media.live(node, report=origin.report, drain=origin.owner.drain)
