"""The life of a node: everything every service needs, started in order, supervised, and ended without harm.

async def run(settings: EdgeSettings) -> None:
    async with Node(settings, NodeKind.EDGE) as node:
        ...                                   # wire the service; the node is "starting" until here
        await node.until_stopped()            # ready from now on, until SIGTERM or SIGINT
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    CarriedStream,
    NodeInfo,
    NodeLoad,
    NodeReport,
)
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.address import local_address
from rillcast.runtime.admin import admin_app
from rillcast.runtime.directory import NodeDirectory
from rillcast.runtime.errors import StartError
from rillcast.runtime.heartbeat import Heartbeat
from rillcast.runtime.http import HttpServer, bind
from rillcast.runtime.license import Seat
from rillcast.runtime.logs import configure_logging
from rillcast.runtime.nats_bus import NatsBus
from rillcast.runtime.nats_connection import NatsConnection
from rillcast.runtime.nats_discovery import NatsDiscovery, feed_directory
from rillcast.runtime.nats_kv import NatsKeyValue
from rillcast.runtime.ports import Bus, Discovery, KeyValue
from rillcast.runtime.readiness import Readiness
from rillcast.runtime.settings import MediaSettings, NodeSettings
from rillcast.runtime.telemetry import configure_tracing, flush_tracing, get_logger

log = get_logger(__name__)

MAX_CARRIED = 500
_LAG_SAMPLE_S = 0.25
_CANCEL_AGAIN_S = 0.5

DrainHook = Callable[[], Awaitable[None]]


def product_version() -> str:
    """The version of this installation."""
    try:
        return version("rillcast")
    except PackageNotFoundError:
        return "0"


class Node:
    """One running process of the cluster. Use as an async context manager, once."""

    bus: Bus
    discovery: Discovery
    directory: NodeDirectory
    info: NodeInfo

    def __init__(self, settings: NodeSettings, kind: NodeKind | str, *, http_address: str = "") -> None:
        """`http_address` (signaling only) is the ``ip:port`` its clients' HTTP is served on."""
        self.settings = settings
        self.kind = NodeKind(kind)
        self.readiness = Readiness()
        self.draining = False
        self.advertise_address = settings.advertise_address or local_address()
        self._http_address = http_address
        self._load: NodeLoad = NodeLoad()
        self._carried: tuple[CarriedStream, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drain_hooks: list[DrainHook] = []
        self._stop = asyncio.Event()
        self._crash: str = ""
        self._buckets: dict[str, NatsKeyValue] = {}
        self._signals: list[signal.Signals] = []

    # ---- what services use

    async def kv(self, bucket: str, ttl_s: float | None = None) -> KeyValue:
        """The bucket, made if it is missing. Raises STORE_UNAVAILABLE when JetStream doesn't come up."""
        if bucket not in self._buckets:
            settings = self.settings
            self._buckets[bucket] = NatsKeyValue(
                self._connection, bucket, ttl_s, storage=settings.kv_storage, replicas=settings.kv_replicas
            )
        await self._buckets[bucket].open()
        return self._buckets[bucket]

    def report_load(self, load: NodeLoad, carried: Iterable[CarriedStream] = ()) -> None:
        """What the next heartbeats say."""
        self._load = load
        self._carried = tuple(sorted(carried, key=lambda c: -c.viewers)[:MAX_CARRIED])

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something for as long as the node lives. If it fails, the process ends with code 1."""
        task = asyncio.create_task(self._supervise(coroutine, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def on_drain(self, hook: DrainHook) -> None:
        """Run `hook` once the node takes no new work and before it leaves. All hooks run at once and share
        `drain_timeout_s`; what isn't done by then is cancelled."""
        self._drain_hooks.append(hook)

    def stop(self) -> None:
        """As SIGTERM does."""
        self._stop.set()

    async def until_stopped(self) -> None:
        """Say that the service is wired, then wait for SIGTERM, SIGINT, `stop` or a crash, and drain."""
        self.readiness.set("starting", True)
        await self._heartbeat.beat()
        await self._stop.wait()
        await self._drain()

    @property
    def loop_lag_s(self) -> float:
        """How late timers fired lately (highest of the last second or so)."""
        return self._lag_s

    def report(self) -> NodeReport:
        """This node's heartbeat."""
        return NodeReport(
            info=self.info,
            load=self._load,
            ready=self.readiness.ready and not self.draining,
            draining=self.draining,
            not_ready_reason=self.readiness.sentence(),
            carried=self._carried,
        )

    # ---- start

    async def __aenter__(self) -> Node:
        settings = self.settings
        node_id = settings.node_id
        configure_logging(settings.log_level, settings.log_format, node_id)
        configure_tracing(self.kind, node_id, product_version(), settings.otlp_endpoint)
        self._lag_s = 0.0
        self.readiness.set("starting", False, "the service is starting")
        self._catch_signals()
        try:
            await self._start(NodeId(node_id))
        except BaseException:
            await self._close()
            raise
        return self

    async def _start(self, node_id: NodeId) -> None:
        settings = self.settings
        self._admin = HttpServer(
            admin_app(self.readiness, self._state), bind(settings.admin_host, settings.admin_port, "ADMIN_PORT")
        )
        self.info = self._describe(node_id)
        await self._admin.start()
        self._connection = NatsConnection(settings, node_id)
        await self._unless_stopped(self._connection.open())
        self.bus = self._bus = bus = NatsBus(self._connection)
        self._heartbeat = Heartbeat(bus, self.report)
        await self._join(bus)
        metrics.BUILD_INFO.labels(self.kind, self.info.version, node_id).set(1)
        if self.kind is not NodeKind.LICENSE:
            self._seat = Seat(bus, self.info, self.readiness)
            self.spawn(self._seat.keep(), "license seat")
        self.spawn(self._watch_itself(), "self watch")
        log.info("Node is up", kind=self.kind, admin=self.info.admin_address, version=self.info.version)

    async def _join(self, bus: NatsBus) -> None:
        """Become known, and learn of the others."""
        if self.settings.discovery == "consul":
            from rillcast.runtime.consul_discovery import ConsulDiscovery  # its HTTP client costs 0.1 s to import

            consul = ConsulDiscovery(self.settings.consul_url, self.settings.consul_token.get_secret_value())
            self.discovery = self._consul = consul
            await consul.open()
            self.directory = NodeDirectory(consul, connected=lambda: bus.connected)
            await feed_directory(bus, self.directory)
            await self._heartbeat.start()
        else:
            self.directory = NodeDirectory(connected=lambda: bus.connected)
            await feed_directory(bus, self.directory)
            self.discovery = NatsDiscovery(bus, self.directory, self._heartbeat)
        await self.discovery.register(self.info)

    def _describe(self, node: NodeId) -> NodeInfo:
        settings = self.settings
        host = self.advertise_address if settings.admin_host in {"0.0.0.0", "::"} else settings.admin_host
        media: tuple[str, ...] = ()
        if isinstance(settings, MediaSettings):
            media = tuple(settings.advertise_media_addresses) or (self.advertise_address,)
        return NodeInfo(
            node=node,
            kind=self.kind,
            version=product_version(),
            region=settings.region,
            zone=settings.zone,
            admin_address=f"[{host}]:{self._admin.port}" if ":" in host else f"{host}:{self._admin.port}",
            media_addresses=media,
            relay_address=self.advertise_address if media else "",
            http_address=self._http_address,
            incarnation=secrets.token_hex(8),
        )

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self.stop)
                self._signals.append(number)
            except (NotImplementedError, RuntimeError, ValueError):  # not the main thread: tests
                return

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, but give up when told to stop meanwhile."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise SystemExit(0)
            await task
        finally:
            task.cancel()
            stopped.cancel()

    # ---- run

    def _state(self) -> dict[str, object]:
        state: dict[str, object] = {"draining": self.draining}
        if hasattr(self, "info"):
            state |= {"node": self.info.node, "kind": self.kind, "version": self.info.version}
        if hasattr(self, "bus"):
            state["bus"] = self.bus.connected
        if hasattr(self, "discovery"):
            state["discovery"] = self.discovery.reachable
        if hasattr(self, "_seat"):
            state["license"] = self._seat.state
        return state

    async def _supervise(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await coroutine
        except Exception:
            metrics.TASK_CRASHES.labels(name).inc()
            log.exception("A task failed, this node ends", task=name)
            self._crash = name
            self._stop.set()

    async def _watch_itself(self) -> None:
        """Loop lag, gauges, and expiry of nodes that fell silent."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_LAG_SAMPLE_S)
            lag = max(0.0, loop.time() - before - _LAG_SAMPLE_S)
            metrics.LOOP_LAG_SECONDS.observe(lag)
            self._lag_s = max(lag, self._lag_s * 0.8)
            metrics.READY.set(self.readiness.ready)
            self.directory.expire()

    # ---- end

    async def _drain(self) -> None:
        self.draining = True
        metrics.DRAINING.set(1)
        self.readiness.set("draining", False, "this node is going away")
        log.info("Draining", at_most_s=self.settings.drain_timeout_s)
        try:
            async with asyncio.timeout(self.settings.drain_timeout_s):
                await self._heartbeat.beat()
                results = await asyncio.gather(*(hook() for hook in self._drain_hooks), return_exceptions=True)
        except TimeoutError:
            log.warning("Draining took too long and was cut short", after_s=self.settings.drain_timeout_s)
            return
        for result in results:
            if isinstance(result, Exception):
                log.error("A drain hook failed", reason=repr(result))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        if self._crash and error is None:
            raise SystemExit(1)

    async def _cancel_tasks(self) -> None:
        """Again and again: `asyncio.wait_for` of Python 3.11 swallows a cancellation that comes with the answer."""
        while tasks := [task for task in self._tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_S)

    async def _close(self) -> None:
        await self._cancel_tasks()
        if hasattr(self, "_seat"):
            await self._seat.release()
        if hasattr(self, "discovery"):
            await self.discovery.deregister()
        if hasattr(self, "_heartbeat"):
            await self._heartbeat.stop()
        if hasattr(self, "_consul"):
            await self._consul.close()
        if hasattr(self, "_bus"):
            await self._bus.close()
        if hasattr(self, "_connection"):
            await self._connection.close()
        if hasattr(self, "_admin"):
            await self._admin.stop()
        await asyncio.to_thread(flush_tracing)
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)
        log.info("Node has ended")


def main(run: Callable[[Any], Coroutine[Any, Any, None]], settings_type: type[NodeSettings]) -> None:
    """What a service's ``__main__`` calls: settings, event loop, exit code."""
    import uvloop

    from rillcast.runtime.settings import load_settings

    settings = load_settings(settings_type)
    configure_logging(settings.log_level, settings.log_format, settings.node_id)
    try:
        uvloop.run(run(settings))
    except (StartError, RillcastError) as error:
        log.error("Cannot start", reason=str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["Node", "StartError", "main", "product_version"]
