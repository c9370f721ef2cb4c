"""The transcoder service: builds its adapters, wires them and serves until stopped."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from rillcast.apps.ladder_wish import LadderWish
from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.ids import AppName
from rillcast.contracts.messages import NodeInfo, RelayClose, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.subjects import (
    BUCKET_APPS,
    BUCKET_BROADCASTS,
    BUCKET_RENDITIONS,
    BUCKET_STREAMS,
    STREAM_LEASE_S,
    media_relay_close,
    media_relay_open,
)
from rillcast.contracts.words import NodeKind
from rillcast.media.plane import NativePlane
from rillcast.media.protocol import Error, Event, PlaneConfig, WorkerStats
from rillcast.node.addresses import MediaAddresses
from rillcast.node.events import PlaneEvents
from rillcast.node.load import MediaLimits, MediaLoad
from rillcast.node.metrics import PlaneMetrics
from rillcast.relay.parent import ParentRelays
from rillcast.runtime import service
from rillcast.runtime.logs import get_logger
from rillcast.runtime.service import Node
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.config import TranscoderSettings
from services.transcoder.ports import Bus, Clock, KeyValue, Plane
from services.transcoder.usecases.ladder_pipeline import Encoding
from services.transcoder.usecases.ladder_wishes import LadderWishes
from services.transcoder.usecases.media_job import LadderJob
from services.transcoder.usecases.media_jobs import Transcoder
from services.transcoder.usecases.source_feed import SourceFeed
from services.transcoder.usecases.watched_rungs import WatchedRungs

log = get_logger(__name__)

MEASURE_S = 1.0
PRIORITY = -5
"""Nice value. Beside four busy processes on two CPUs, 95 of 100 pictures were made within 19 ms instead of 41."""


async def run(settings: TranscoderSettings) -> None:
    """One node, until SIGTERM."""
    prefer_media()
    async with Node(settings, NodeKind.TRANSCODER) as node:
        streams = await node.kv(BUCKET_STREAMS, ttl_s=STREAM_LEASE_S)
        renditions = await node.kv(BUCKET_RENDITIONS, ttl_s=STREAM_LEASE_S)
        apps = await node.kv(BUCKET_APPS)
        broadcasts = await node.kv(BUCKET_BROADCASTS)
        encoders = EncoderChoice(settings.preset, hardware=settings.encoders == "auto")
        log.info("Encoders chosen", **await asyncio.to_thread(encoders.decide))
        load = MediaLoad(settings.workers, media_limits(settings))
        watch = StreamWatch(streams, renditions, node.bus, time.monotonic)
        events = PlaneEvents()

        def on_packet(source: int, data: bytes) -> None:
            transcoder.on_packet(source, data)

        plane = NativePlane(plane_config(settings), events, on_packet)
        try:
            transcoder, wishes = assemble(
                node=node.info,
                bus=node.bus,
                plane=plane,
                watch=watch,
                renditions=renditions,
                apps=apps,
                broadcasts=broadcasts,
                load=load,
                settings=settings,
                encoders=encoders,
                clock=time.monotonic,
                others_have_room=lambda: others_have_room(node),
            )
            events.add(plane_watch(load))
            events.add(transcoder.on_event)
            await node.bus.serve(media_relay_open(node.info.node), RelayOpen, transcoder.open_relay)
            await node.bus.serve(media_relay_close(node.info.node), RelayClose, transcoder.close_relay)
            node.spawn(wishes.run(), "settings")
            node.spawn(watch.run(), "streams")
            node.spawn(transcoder.look_around(), "ladder jobs")
            node.spawn(measure(node, transcoder, load), "load")
            node.on_drain(transcoder.drain)
            await node.until_stopped()
            await transcoder.close()
        finally:
            plane.close()


def assemble(
    *,
    node: NodeInfo,
    bus: Bus,
    plane: Plane,
    watch: StreamWatch,
    renditions: KeyValue,
    apps: KeyValue,
    broadcasts: KeyValue,
    load: MediaLoad,
    settings: TranscoderSettings,
    encoders: EncoderChoice,
    clock: Clock,
    others_have_room: Callable[[], bool],
    lease_s: float = STREAM_LEASE_S,
) -> tuple[Transcoder, LadderWishes]:
    """The node's parts, wired."""
    addresses = MediaAddresses(plane.fingerprint, plane.workers, node.media_addresses, node.relay_address)
    relays = ParentRelays(settings.max_children)
    sources = itertools.count(1)
    encoding = Encoding(gop_s=settings.gop_s, encoders=encoders)

    def make_job(live: LiveStream, source: TrackRecord, wish: LadderWish, worker: int) -> LadderJob:
        feed = SourceFeed(
            bus=bus, plane=plane, addresses=addresses, node=node.node, source=next(sources), worker=worker
        )
        rungs = WatchedRungs(
            key=live.key,
            worker=worker,
            plane=plane,
            addresses=addresses,
            relays=relays,
            new_source=lambda: next(sources),
            linger_s=settings.linger_s,
        )
        return LadderJob(
            node=node.node,
            live=live,
            source=source,
            wish=wish,
            store=renditions,
            feed=feed,
            rungs=rungs,
            encoding=encoding,
            clock=clock,
            others_have_room=others_have_room,
            lease_s=lease_s,
        )

    def wishes_changed(app: AppName) -> None:
        transcoder.look_at_app(app)

    wishes = LadderWishes(apps, broadcasts, wishes_changed)
    transcoder = Transcoder(
        node=node.node,
        plane=plane,
        watch=watch,
        wish_of=wishes.get,
        relays=relays,
        load=load,
        make_job=make_job,
        clock=clock,
        max_cpu=settings.max_cpu,
    )
    return transcoder, wishes


def plane_watch(load: MediaLoad) -> Callable[[Event], None]:
    """Takes the plane's own figures and complaints."""
    plane_metrics = PlaneMetrics()

    def on_event(event: Event) -> None:
        if isinstance(event, WorkerStats):
            plane_metrics.observe(event)
            load.observe(event, time.monotonic())
        elif isinstance(event, Error):
            log.warning("The media plane refused a command", command=event.command, reason=event.message)

    return on_event


async def measure(node: Node, transcoder: Transcoder, load: MediaLoad) -> None:
    """Report load until cancelled."""
    while True:
        await asyncio.sleep(MEASURE_S)
        transcoder.measure(time.monotonic())
        report = load.report(transcoder.jobs)
        node.report_load(
            msgspec.structs.replace(
                report, cpu=max(report.cpu, transcoder.share()), sessions=0, encoders=transcoder.encoders
            )
        )


def prefer_media() -> None:
    """Give this thread, and those it starts, precedence over what else the machine runs; the plane's threads have more.
    Not being allowed to is no error."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def others_have_room(node: Node) -> bool:
    """Whether another transcoder takes new work and isn't full."""
    others = node.directory.placeable(NodeKind.TRANSCODER)
    return any(report.load.cpu < 1.0 for name, report in others.items() if name != node.info.node)


def media_limits(settings: TranscoderSettings) -> MediaLimits:
    """What counts as full for the plane."""
    return MediaLimits(
        max_sessions=settings.max_sessions,
        max_pps=settings.max_pps,
        max_egress_bps=settings.max_egress_bps,
        max_loop_lag_ms=settings.max_loop_lag_ms,
    )


def plane_config(settings: TranscoderSettings) -> PlaneConfig:
    """The plane of a node that has relays only: it needs no public sockets, but the plane always opens them."""
    return PlaneConfig(
        workers=settings.workers,
        media_bind=("127.0.0.1",),
        relay_bind=settings.relays_listen_at,
        relay_port=settings.relay_port,
        pin=settings.pin,
        gso=settings.gso,
    )


def main() -> None:
    """Entry point of ``python -m services.transcoder``."""
    service.main(run, TranscoderSettings)
