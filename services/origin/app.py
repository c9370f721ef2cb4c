"""The origin, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

from rillcast.contracts.messages import Condition
from rillcast.contracts.subjects import BUCKET_BROADCASTS, BUCKET_LADDERS
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import SessionStats
from rillcast.node.associations import associations
from rillcast.node.media_node import MediaNode, Report, open_media_node
from rillcast.relay.parent import RelayParent
from rillcast.relay.witness import DoubtWitness
from rillcast.runtime.wall_clock import wall_ms
from services.origin import metrics
from services.origin.adapters.bus_requests import serve_requests
from services.origin.config import OriginSettings
from services.origin.domain.troubled import troubled
from services.origin.usecases.backup_wishes import BackupWishes
from services.origin.usecases.backups import Backups
from services.origin.usecases.claims import Claims
from services.origin.usecases.leaving import Leaving
from services.origin.usecases.living_streams import LivingStreams
from services.origin.usecases.owned_streams import OwnedStreams
from services.origin.usecases.publisher_association import PublisherAssociations
from services.origin.usecases.stream_owner import StreamOwner
from services.origin.usecases.webrtc_ingest import WebRtcIngest

__all__ = ["Origin", "OriginSettings", "run"]

TICK_S = 0.1
"""How late a start timeout or a grace time may be noticed."""


class Origin:
    """One origin on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(self, settings: OriginSettings, media: MediaNode, wishes: BackupWishes) -> None:
        self._media = media
        self._streams = streams = OwnedStreams()
        self.relays = RelayParent(
            plane=media.plane,
            addresses=media.addresses,
            keys=media.relay_keys,
            here=media.place,
            known=media.known,
            edges_at=media.zone_sizes.at,
            clock=media.clock,
            offer_of=streams.relay_offer,
            child_limit=settings.max_children,
            span="origin.relay_open",
            on_outcome=lambda outcome: metrics.RELAY_OPENS.labels(outcome).inc(),
            on_count=metrics.RELAYS.set,
            on_child_lost=metrics.RELAY_CHILDREN_LOST.inc,
        )
        claims = Claims(
            node=media.node,
            streams=media.streams,
            known=media.watch.directory.by_key,
            bus=media.bus,
            tasks=media.tasks,
            clock=media.clock,
            wall_ms=wall_ms,
            lease_s=media.lease_s,
        )
        self.living = LivingStreams(
            node=media.node,
            plane=media.plane,
            load=media.load,
            claims=claims,
            streams=streams,
            relays=self.relays,
            outbox=media.outbox,
            clock=media.clock,
        )
        self.owner = StreamOwner(
            node=media.node,
            plane=media.plane,
            load=media.load,
            admission=media,
            claims=claims,
            streams=streams,
            living=self.living,
            tasks=media.tasks,
            clock=media.clock,
            wall_ms=wall_ms,
        )
        giver, taker = associations(media)
        self.webrtc = WebRtcIngest(
            node=media.node,
            plane=media.plane,
            addresses=media.addresses,
            owner=self.owner,
            outbox=media.outbox,
            associations=PublisherAssociations(media.plane, giver, taker),
        )
        self.leaving = Leaving(
            self.owner, self.living, streams, self.relays, outbox=media.outbox, hears=lambda: media.bus.hearing
        )
        self.backups = Backups(
            streams, wish=wishes.get, live=media.watch.directory.by_key, plane=media.plane, clock=media.clock
        )
        self._witness = DoubtWitness(media.node, media.outbox, children=self.relays.witness)
        for handler in (self._witness.on_event, self.webrtc.on_event, self.relays.on_event, self.living.on_event):
            media.on_event(handler)
        media.on(SessionStats, self.webrtc.on_figures)
        media.every(TICK_S, self.owner.tick)
        media.every(TICK_S, self.living.tick)
        media.every(TICK_S, self.backups.tick)
        media.also(wishes.run)
        media.watch.on_change(lambda key: self.living.on_stream_changed(key, media.watch.directory.by_key(key)))

    async def serve(self) -> None:
        """Begin to answer requests on the bus."""
        await serve_requests(self._media.bus, self._media.node, self.owner, self.webrtc, self.relays)
        await self._witness.serve(self._media.bus)

    def report(self) -> Report:
        """What the heartbeat shall say: the load, the streams with their children, and which do not come well."""
        troubles = troubled((owned.stream for owned in self._streams), self._media.clock())
        return self._media.load.report(len(self._streams)), self.living.carried(), None, Condition(troubles=troubles)


async def run(settings: OriginSettings) -> None:
    """Run an origin until it is told to stop."""
    async with open_media_node(settings, NodeKind.ORIGIN) as (node, media):
        wishes = BackupWishes(await node.kv(BUCKET_LADDERS), await node.kv(BUCKET_BROADCASTS))
        origin = Origin(settings, media, wishes)
        await origin.serve()
        await media.live(node, report=origin.report, leaving=origin.leaving)
