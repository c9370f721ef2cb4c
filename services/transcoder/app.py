"""The transcoder, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import msgspec

from rillcast.contracts.subjects import BUCKET_BROADCASTS, BUCKET_LADDERS
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import SourceId
from rillcast.node.media_node import MediaNode, Report, open_media_node, plane_config
from rillcast.relay.child import ChildRelays
from rillcast.relay.parent import RelayParent
from rillcast.relay.witness import DoubtWitness
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.wall_clock import wall_ms
from services.transcoder import metrics
from services.transcoder.adapters.bus_requests import serve_requests
from services.transcoder.adapters.directory_peers import DirectoryPeers
from services.transcoder.adapters.os_priority import prefer_media
from services.transcoder.adapters.process_pictures import ProcessPictures
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.thread_ladder import LadderThreads
from services.transcoder.config import TranscoderSettings
from services.transcoder.ports import Peers, Pictures, StartCodecs
from services.transcoder.usecases.job_factory import JobFactory
from services.transcoder.usecases.keyframe_feeds import KeyframeFeeds
from services.transcoder.usecases.ladder_wishes import LadderWishes
from services.transcoder.usecases.ladder_work import LadderKind
from services.transcoder.usecases.leaving import Leaving
from services.transcoder.usecases.media_jobs import MediaJobs
from services.transcoder.usecases.previews import Previews
from services.transcoder.usecases.running_jobs import RunningJobs
from services.transcoder.usecases.source_feed import SourceFeeds
from services.transcoder.usecases.work import WorkKind

__all__ = ["Transcoder", "TranscoderSettings", "run"]

log = get_logger(__name__)


class Transcoder:
    """One transcoder on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(
        self,
        settings: TranscoderSettings,
        media: MediaNode,
        *,
        wishes: LadderWishes,
        codecs: StartCodecs,
        peers: Peers,
        pictures: Pictures,
        more_kinds: Sequence[WorkKind] = (),
    ) -> None:
        """`more_kinds`: of work, besides ladders."""
        self._media = media
        plane, tasks, clock = media.plane, media.tasks, media.clock
        sources = map(SourceId, itertools.count(1))
        self.running = RunningJobs(load=media.load, clock=clock, max_cpu=settings.max_cpu)
        self.relays = RelayParent(
            plane=plane,
            addresses=media.addresses,
            keys=media.relay_keys,
            here=media.place,
            known=media.known,
            edges_at=media.zone_sizes.at,
            clock=media.clock,
            offer_of=self.running.relay_offer,
            child_limit=settings.max_children,
            on_outcome=lambda outcome: metrics.RELAY_OPENS.labels(outcome).inc(),
            on_count=metrics.RELAYS.set,
            on_child_lost=metrics.RELAY_CHILDREN_LOST.inc,
        )
        origins = ChildRelays(
            node=media.node,
            bus=media.bus,
            plane=plane,
            addresses=media.addresses,
            keys=media.relay_keys,
            tasks=tasks,
            clock=clock,
            on_outcome=lambda outcome: metrics.FEEDS.labels(outcome).inc(),
        )
        ladders = LadderKind(wishes, codecs, plane=plane, sources=sources, linger_s=settings.linger_s, clock=clock)
        feeds = SourceFeeds(origins, plane=plane, tasks=tasks, clock=clock, sources=sources)
        self.jobs = MediaJobs(
            (ladders, *more_kinds),
            node=media.node,
            watch=media.watch,
            tasks=tasks,
            running=self.running,
            new_job=JobFactory(
                node=media.node,
                store=media.renditions,
                feeds=feeds,
                relays=self.relays,
                load=media.load,
                peers=peers,
                clock=clock,
                wall_ms=wall_ms,
                lease_s=media.lease_s,
            ),
            clock=clock,
        )
        keyframes = KeyframeFeeds(watch=media.watch, running=self.running, feeds=feeds, load=media.load, clock=clock)
        self.previews = Previews(
            watch=media.watch,
            running=self.running,
            keyframes=keyframes,
            pictures=pictures,
            tasks=tasks,
            per_s=settings.previews_per_s,
            clock=clock,
            wall_ms=wall_ms,
        )
        self.leaving = Leaving(self.jobs, self.running, self.relays)
        self._witness = DoubtWitness(media.node, media.outbox, parents=origins.witness, children=self.relays.witness)
        for handler in (self._witness.on_event, self.running.on_event, self.relays.on_event):
            media.on_event(handler)
        media.on_packet(self.running.on_packet)
        media.on_packet(keyframes.on_packet)
        media.also(wishes.run)
        media.also(self.jobs.look_around)

    async def serve(self) -> None:
        """Begin to answer requests on the bus."""
        media = self._media
        await serve_requests(media.bus, media.node, self.relays, self.previews)
        await self._witness.serve(media.bus)

    def report(self) -> Report:
        """What the heartbeat shall say: the load, by whom jobs are fed, which are too slow. No stream is carried here
        for viewers."""
        return self.running.report(), (), None, self.running.condition()


async def run(settings: TranscoderSettings) -> None:
    """Run a transcoder until it is told to stop."""
    prefer_media()
    # It has relays only and needs no public sockets, but the plane always opens them.
    plane = msgspec.structs.replace(plane_config(settings), media_bind=("127.0.0.1",), media_port=0, tcp_connections=0)
    async with open_media_node(settings, NodeKind.TRANSCODER, plane=plane) as (node, media):
        encoders = EncoderChoice(settings.preset, hardware=settings.encoders == "auto")
        log.info("Encoders chosen", **await asyncio.to_thread(encoders.decide))
        pictures = ProcessPictures()
        transcoder = Transcoder(
            settings,
            media,
            wishes=LadderWishes(await node.kv(BUCKET_LADDERS), await node.kv(BUCKET_BROADCASTS)),
            codecs=LadderThreads(encoders, settings.gop_s),
            peers=DirectoryPeers(node.directory, node.info.node),
            pictures=pictures,
        )
        try:
            await transcoder.serve()
            await media.live(node, report=transcoder.report, leaving=transcoder.leaving)
            await transcoder.jobs.close()
        finally:
            await pictures.close()
