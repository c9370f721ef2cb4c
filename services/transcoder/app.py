"""The transcoder, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.messages import RelayClose, RelayOpen
from rillcast.contracts.subjects import (
    BUCKET_APPS,
    BUCKET_BROADCASTS,
    STREAM_LEASE_S,
    media_relay_close,
    media_relay_open,
)
from rillcast.contracts.words import NodeKind
from rillcast.node.media_node import MediaNode, Report, open_media_node, plane_config
from rillcast.relay.child import ChildRelays
from rillcast.relay.parent import RelayParent
from rillcast.runtime.process.node import main as run_service
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.adapters.directory_peers import DirectoryPeers
from services.transcoder.adapters.os_priority import prefer_media
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.thread_ladder import LadderThreads
from services.transcoder.config import TranscoderSettings
from services.transcoder.ports import KeyValue, Peers, StartCodecs
from services.transcoder.usecases.ladder_wishes import LadderWishes
from services.transcoder.usecases.ladder_work import LadderKind
from services.transcoder.usecases.media_job import MediaJob
from services.transcoder.usecases.media_jobs import MediaJobs
from services.transcoder.usecases.source_feed import SourceFeed
from services.transcoder.usecases.work import Order, WorkKind

log = get_logger(__name__)


class Transcoder:
    """One transcoder on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(
        self,
        settings: TranscoderSettings,
        media: MediaNode,
        *,
        apps: KeyValue,
        broadcasts: KeyValue,
        codecs: StartCodecs,
        peers: Peers,
        more_kinds: Sequence[WorkKind] = (),
        lease_s: float = STREAM_LEASE_S,
    ) -> None:
        """`more_kinds`: of work, besides ladders."""
        self._media = media
        self._peers = peers
        self._lease_s = lease_s
        self._sources = itertools.count(1)
        self._feeds = ChildRelays(
            node=media.node,
            bus=media.bus,
            plane=media.plane,
            addresses=media.addresses,
            tasks=media.tasks,
            clock=media.clock,
            on_outcome=metrics.count_feed,
        )
        self.wishes = LadderWishes(apps, broadcasts)
        ladders = LadderKind(
            self.wishes,
            codecs,
            plane=media.plane,
            sources=self._sources,
            linger_s=settings.linger_s,
            clock=media.clock,
        )
        self.jobs = MediaJobs(
            (ladders, *more_kinds),
            node=media.node,
            watch=media.watch,
            load=media.load,
            tasks=media.tasks,
            make_job=self._job,
            clock=media.clock,
            max_cpu=settings.max_cpu,
        )
        self._relays = RelayParent(
            plane=media.plane,
            addresses=media.addresses,
            offer_of=self.jobs.offer,
            child_limit=settings.max_children,
            on_outcome=metrics.count_relay_open,
            on_count=metrics.RELAYS.set,
            on_child_lost=metrics.CHILDREN_LOST.inc,
        )
        media.on_event(self.jobs.on_event)
        media.on_event(self._relays.on_event)
        media.on_packet(self.jobs.on_packet)
        media.also(self.wishes.run)
        media.also(self.jobs.look_around)

    async def serve(self) -> None:
        """Begin to answer requests."""
        bus, node = self._media.bus, self._media.node
        await bus.serve(media_relay_open(node), RelayOpen, self._relays.open)
        await bus.serve(media_relay_close(node), RelayClose, self._relays.close)

    def report(self) -> Report:
        """What the heartbeat shall say."""
        self.jobs.measure(self._media.clock())
        load = self._media.load.report(self.jobs.held)
        cpu = max(load.cpu, self.jobs.share())
        return msgspec.structs.replace(load, cpu=cpu, sessions=0, encoders=self.jobs.encoders), ()

    def _job(self, kind: WorkKind, live: LiveStream, order: Order, worker: int) -> MediaJob:
        media = self._media
        feed = SourceFeed(
            self._feeds,
            plane=media.plane,
            tasks=media.tasks,
            clock=media.clock,
            source=next(self._sources),
            worker=worker,
        )
        return MediaJob(
            kind,
            node=media.node,
            live=live,
            order=order,
            worker=worker,
            store=media.renditions,
            feed=feed,
            relays=self._relays,
            peers=self._peers,
            clock=media.clock,
            lease_s=self._lease_s,
        )


async def run(settings: TranscoderSettings) -> None:
    """One node, until SIGTERM."""
    prefer_media()
    # It has relays only and needs no public sockets, but the plane always opens them.
    plane = msgspec.structs.replace(plane_config(settings), media_bind=("127.0.0.1",), media_port=0)
    async with open_media_node(settings, NodeKind.TRANSCODER, plane=plane) as (node, media):
        encoders = EncoderChoice(settings.preset, hardware=settings.encoders == "auto")
        log.info("Encoders chosen", **await asyncio.to_thread(encoders.decide))
        transcoder = Transcoder(
            settings,
            media,
            apps=await node.kv(BUCKET_APPS),
            broadcasts=await node.kv(BUCKET_BROADCASTS),
            codecs=LadderThreads(encoders, settings.gop_s),
            peers=DirectoryPeers(node.directory, node.info.node),
        )
        await transcoder.serve()
        await media.live(node, report=transcoder.report, drain=transcoder.jobs.drain)
        await transcoder.jobs.close()


def main() -> None:
    """Entry point of ``python -m services.transcoder``."""
    run_service(run, TranscoderSettings)
