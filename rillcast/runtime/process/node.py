"""The life of a node: everything every service needs, started in order, supervised, and ended without harm.

async def run(settings: EdgeSettings) -> None:
    async with Node(settings, NodeKind.EDGE) as node:
        ...                                   # wire the service; the node is "starting" until here
        await node.until_stopped()            # ready from now on, until SIGTERM or SIGINT
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any

from rillcast.contracts import permissions
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import CarriedStream, Condition, NodeInfo, NodeLoad, NodeReport, TreePlace
from rillcast.contracts.words import DrainPhase, NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.discovery.nats_discovery import NatsDiscovery
from rillcast.runtime.errors import Crashed, Stopped
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.keepalive import KeepAlive
from rillcast.runtime.ports import Bus, Discovery, Journal, KeyValue, WorkQueue
from rillcast.runtime.process import first_nodes, others, sole, stop_signals, traces
from rillcast.runtime.process.address import local_address
from rillcast.runtime.process.admin import admin_app, admin_limits, admin_names, lifeline_places
from rillcast.runtime.process.buckets import NodeBuckets
from rillcast.runtime.process.departure import Leaves
from rillcast.runtime.process.description import describe
from rillcast.runtime.process.draining import DrainHook, Draining, Hook
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.loop_lag import LoopLag
from rillcast.runtime.process.machine import machine_memory
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.process.readiness_news import ReadinessNews
from rillcast.runtime.process.seat import Seat
from rillcast.runtime.process.server_settings import LevelKeeper
from rillcast.runtime.process.service_manager import ServiceManager
from rillcast.runtime.process.sole import IdTaken, Twins
from rillcast.runtime.process.start_interrupt import StartInterrupt
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.runtime.telemetry.logs import configure_logging, get_logger
from rillcast.runtime.telemetry.tracing import flush_tracing

log = get_logger(__name__)

MAX_CARRIED = 500
SAME_WISH_S = 0.3
_PEERS = KeepAlive(idle_s=15, every_s=5, give_up_s=30)
"""Whoever holds a connection to the admin listener and vanishes gives his place back after this long."""


class Node:
    """One running process of the cluster. Use as an async context manager, once.

    Whatever it opens is closed exactly once, the last first, on every way out: after a drain, when a step of the start
    fails, when it is told to stop before it was up, and when a supervised task crashes. Leaving the block raises
    `Stopped` or `Crashed` for the last two.
    """

    bus: Bus
    discovery: Discovery
    directory: NodeDirectory
    info: NodeInfo

    def __init__(
        self,
        settings: NodeSettings,
        kind: NodeKind | str,
        *,
        http_address: str = "",
        needs: Iterable[NodeKind] = (),
        watches: Iterable[NodeKind] = (),
    ) -> None:
        """`http_address` (signaling only) is the ``ip:port`` its clients' HTTP is served on. `needs` are the kinds of
        nodes without which it can't serve anybody: it isn't ready before it has seen one of each that takes new work,
        or has waited for that long enough. Later it stays ready whatever becomes of them. `watches` are the kinds whose
        end it has to notice at once (`rillcast.runtime.discovery.node_watch`); others it misses by their silence."""
        self.settings = settings
        self.kind = NodeKind(kind)
        self.readiness = Readiness()
        self.advertise_address = settings.advertise_address or local_address()
        self.identity = NodeIdentity()
        """The key pair of this process, whose public half is in `info`."""
        self._http_address = http_address
        self._needs = tuple(needs)
        self._watches = tuple(watches)
        self._load, self._carried = NodeLoad(), tuple[CarriedStream, ...]()
        self._tree: TreePlace | None = None
        self._condition: Condition | None = None
        self._tasks = Supervisor(self._crashed)
        self.drains = Draining(
            self.kind,
            default_s=settings.drain_timeout_s,
            elsewhere=self._elsewhere,
            tell=lambda: self._heartbeat.beat(),  # noqa: PLW0108  there is none yet
            taking=self._takes,
        )
        """How this node is emptied."""
        self._interrupt = StartInterrupt()
        self._lag = LoopLag()
        self._stop = asyncio.Event()
        self._stopped_at = 0.0
        self._manager = ServiceManager.of(os.environ, time.monotonic)
        self._crash = ""
        self._resources = AsyncExitStack()
        """How to close everything that is open."""
        self._shown: dict[str, Callable[[], object]] = {}
        """What /readyz shows besides readiness; grows as the node comes up."""

    # ---- what services use

    async def kv(self, bucket: str, ttl_s: float | None = None) -> KeyValue:
        """The bucket, made if it is missing: by this node, or by the license service where each kind of node is a user
        of NATS. Raises STORE_UNAVAILABLE when JetStream, or that service, doesn't come up."""
        return await self._buckets.get(bucket, ttl_s)

    async def queue(self, row: permissions.Queue) -> WorkQueue:
        """The queue of work, made like a bucket. Raises as `kv`."""
        return await self._buckets.queue(row)

    def journal(self, row: permissions.Journal) -> Journal:
        """The journal, made like a bucket. It need not be there yet: then whatever is asked of it raises."""
        return self._buckets.journal(row)

    async def make_buckets(self, leases: Mapping[str, float] | None = None) -> None:
        """Make all buckets, queues and journals that are missing, now and whenever NATS lost them: `make_all`."""
        await self._buckets.make_all(leases or {})
        self.spawn(self._buckets.keep(), "buckets")

    def report_load(
        self,
        load: NodeLoad,
        carried: Iterable[CarriedStream] = (),
        tree: TreePlace | None = None,
        condition: Condition | None = None,
    ) -> None:
        """Say this in the heartbeats from now on, of the streams the `MAX_CARRIED` with most viewers; each second."""
        self._load, self._tree, self._condition = load, tree, condition
        self._carried = tuple(sorted(carried, key=lambda c: -c.viewers)[:MAX_CARRIED])

    def spawn(self, work: Coroutine[Any, Any, None], name: str, *, finite: bool = False) -> asyncio.Task[None]:
        """Run something for as long as the node lives. If it fails, or returns without being `finite`, the node drains
        and the process ends with code 1."""
        return self._tasks.spawn(work, name, finite=finite)

    def on_drain(self, hook: DrainHook) -> None:
        """Run `hook` once the node takes no new work and before it leaves. All hooks run at once and share
        `drain_timeout_s`; what isn't done by then is cancelled."""
        self.drains.add(Hook(hook))

    def empties(self, part: Leaves) -> None:
        """Empty this in a drain, which operators may want too, and say how far it is."""
        self.drains.add(part)

    @property
    def draining(self) -> bool:
        """Whether the node takes nothing new since it is to be emptied."""
        return self.drains.phase is not DrainPhase.NONE

    def stop(self) -> None:
        """Begin to end the node, as SIGTERM does: a start is interrupted, a running service drains. Further calls
        change nothing."""
        if not self._stop.is_set():
            self._stop.set()
            self._stopped_at = asyncio.get_running_loop().time()
            self._interrupt.interrupt()

    def _signalled(self) -> None:
        """SIGTERM or SIGINT came. The second one cuts off whoever is still here; one that comes together with the
        first is the same wish, sent to the process and to its group."""
        if not self._stop.is_set():
            self.stop()
        elif asyncio.get_running_loop().time() - self._stopped_at > SAME_WISH_S and self.draining:
            self.drains.cut("a second signal")

    async def until_stopped(self) -> None:
        """Say that the service is wired, then wait for SIGTERM, SIGINT, `stop` or a crash, and drain."""
        self._interrupt.finish()
        if self._needs:
            first_nodes.expect(self.readiness)
            self.spawn(first_nodes.meet(self.directory, self._needs, self.readiness), "first nodes", finite=True)
        await self._connection.require_permissions()
        self.readiness.set("starting", True)
        await self._heartbeat.beat()
        self._manager.ready(self.readiness.sentence())
        await self._stop.wait()
        self._manager.stopping(self.settings.drain_timeout_s)
        self.drains.begin(ending=True)
        await self.drains.until_over()

    @property
    def loop_lag_s(self) -> float:
        """How late timers fired lately: the highest lag of the last second or so, in seconds."""
        return self._lag.lag_s

    def report(self) -> NodeReport:
        """What a heartbeat of this node says at this moment."""
        return NodeReport(
            info=self.info,
            load=self._load,
            ready=self.readiness.ready and not self.draining,
            draining=self.draining,
            not_ready_reason=self.readiness.sentence(),
            carried=self._carried,
            store_lost=not self._buckets.take_writes,
            drain=self.drains.progress(names=False) if self.draining else None,
            tree=self._tree,
            condition=self._condition,
            memory=machine_memory(),
        )

    # ---- start

    async def __aenter__(self) -> Node:
        settings = self.settings
        configure_logging(settings.log_level, settings.log_format, settings.node_id)
        traces.configure(self.kind, settings)
        self.readiness.set("starting", False, "the service is starting")
        self._interrupt.begin()
        try:
            await self._start(NodeId(settings.node_id))
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def _start(self, node_id: NodeId) -> None:
        settings, resources = self.settings, self._resources
        loop = asyncio.get_running_loop()
        resources.enter_context(self._tasks.callbacks_watched(loop))
        resources.enter_context(stop_signals.handed_to(partial(loop.call_soon_threadsafe, self._signalled)))
        self._manager.begin()
        resources.push_async_callback(self._manager.close)
        resources.push_async_callback(asyncio.to_thread, flush_tracing)
        self._shown["draining"] = lambda: self.draining
        resources.push_async_callback(self.drains.close)
        sock = bind(settings.admin_host, settings.admin_port, "ADMIN_PORT", _PEERS)
        to_us = Lifelines(lambda: self.info, lifeline_places())
        admin = HttpServer(admin_app(self.readiness, self._state, to_us, admin_names(settings)), sock, admin_limits())
        resources.push_async_callback(admin.stop)
        resources.push_async_callback(to_us.close)
        self.info = describe(
            settings,
            self.kind,
            advertise_address=self.advertise_address,
            admin_port=admin.port,
            http_address=self._http_address,
            identity=self.identity.public,
        )
        self._shown |= {"node": lambda: node_id, "kind": lambda: self.kind, "version": lambda: self.info.version}
        await admin.start()
        self.spawn(admin.run(), "admin listener", finite=True)
        self._connection = NatsConnection(settings, node_id, self._tasks, permissions.BusUser(self.kind))
        resources.push_async_callback(self._connection.close)
        await self._connection.open()
        self._buckets = NodeBuckets(settings, self.kind, self._connection)
        self.bus = bus = NatsBus(self._connection)
        resources.push_async_callback(bus.close)
        self._shown["bus"] = lambda: bus.connected
        self._shown["store_lost"] = lambda: not self._buckets.take_writes
        self._shown["bus_stalled"] = lambda: bus.connected and not bus.hearing
        await sole.require(bus, self.info, patience_s=settings.drain_timeout_s + sole.LEAVING_S)
        self._heartbeat = Heartbeat(bus, self.report, self._tasks, sign=self.identity.sign)
        to_us.up_s = lambda: self._heartbeat.up_s
        resources.push_async_callback(self._heartbeat.stop)
        await others.confirm(bus, self.info, self.identity)
        await others.serve_drains(bus, self.info, self.drains, self.readiness)
        await traces.serve(bus, self.info)
        self.discovery = await self._join(bus)
        self._shown["discovery"] = lambda: self.discovery.reachable
        self._shown["placeable"] = self._placeable
        metrics.BUILD_INFO.labels(self.kind, self.info.version, node_id).set(1)
        self._keep_seat(bus)
        await self._watch_others(bus)
        resources.push_async_callback(self._tasks.close)
        self.spawn(self._watch_itself(), "self watch")
        self.spawn(ReadinessNews(self.readiness).keep_telling(self._tell_readiness), "readiness")
        self.spawn(LevelKeeper(settings.log_level).keep(self.kv), "log level")
        self.spawn(traces.tell(bus, node_id), "traces")
        log.info("Node is up", kind=self.kind, admin=self.info.admin_address, version=self.info.version)

    async def _join(self, bus: NatsBus) -> Discovery:
        """Become known, and learn of the others."""
        resources = self._resources
        discovery: Discovery
        self._twins = Twins(lambda: self.info, lambda: self._heartbeat.up_s, others.age_of, self._yield)
        resources.push_async_callback(self._twins.close)
        if self.settings.discovery == "consul":
            # Clients over NATS don't need its client.
            from rillcast.runtime.discovery.consul_discovery import ConsulDiscovery
            from rillcast.runtime.discovery.consul_tls import ConsulTls

            token = self.settings.consul_token.get_secret_value()
            discovery = consul = ConsulDiscovery(
                self.settings.consul_url,
                token,
                tls=ConsulTls(self.settings) if self.settings.consul_url.startswith("https://") else None,
                supervisor=self._tasks,
                on_refused=lambda words: self.readiness.set("discovery", not words, words),
            )
            resources.push_async_callback(consul.close)
            await consul.open()
            self.directory = NodeDirectory(consul, hearing=lambda: bus.hearing)
            await others.hear(bus, self.directory, self.info, self._twins)
            await self._heartbeat.start()
        else:
            self.directory = NodeDirectory(hearing=lambda: bus.hearing)
            await others.hear(bus, self.directory, self.info, self._twins)
            discovery = NatsDiscovery(bus, self.directory, self._heartbeat)
        resources.push_async_callback(discovery.deregister)
        await discovery.register(self.info)
        return discovery

    async def _watch_others(self, bus: NatsBus) -> None:
        if self._watches:
            watch = await others.watch(bus, self.directory, self.info.node, self._watches, self._resources)
            self._shown["nodes"] = watch.shown
            self.spawn(watch.run(), "node watch")

    def _keep_seat(self, bus: NatsBus) -> None:
        if self.kind is not NodeKind.LICENSE:
            seat = Seat(bus, self.info, self.readiness)
            self._resources.push_async_callback(seat.release)
            self._shown["license"] = lambda: seat.state
            self.spawn(seat.keep(), "license seat")

    # ---- run

    def _state(self) -> dict[str, object]:
        return {name: look() for name, look in self._shown.items()}

    def _placeable(self) -> dict[str, int]:
        """How many nodes of each kind this one would give new work to."""
        return {kind.value: len(self.directory.placeable(kind)) for kind in NodeKind}

    async def _tell_readiness(self) -> None:
        self._manager.status(self.readiness.sentence())
        await self._heartbeat.beat()
        await self.discovery.announce(self.readiness.ready)

    async def _watch_itself(self) -> None:
        """Loop lag, gauges, and expiry of nodes that fell silent."""
        while True:
            await self._lag.sample()
            metrics.READY.set(self.readiness.ready)
            self.drains.observe()
            self.directory.expire()

    # ---- end

    def _yield(self, why: IdTaken) -> None:
        """Another process has this node's id and stays: leave without a word that could be taken for its own."""

        async def leave() -> None:
            await self._heartbeat.fall_silent()
            await self.discovery.abandon()
            raise why

        self.spawn(leave(), "node id")

    def _crashed(self, task: str) -> None:
        self._crash = self._crash or task
        self.stop()

    def _takes(self, new_work: bool) -> None:
        self.readiness.set("draining", new_work, "this node is going away")
        metrics.DRAINING.set(not new_work)

    def _elsewhere(self) -> bool:
        """Whether another node of this kind takes new work."""
        return any(node != self.info.node for node in self.directory.placeable(self.kind))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        was_starting = self._interrupt.finish()
        try:
            await self._resources.aclose()
        finally:
            log.info("Node has ended")
        ours = isinstance(error, asyncio.CancelledError) and self._interrupt.take_back()
        if self._crash and (error is None or ours):
            raise Crashed(self._crash) from None
        if was_starting and self._stop.is_set() and (ours or isinstance(error, Exception)):
            if not ours:
                log.info("The start failed when it was to end anyway", reason=repr(error))
            raise Stopped from None
