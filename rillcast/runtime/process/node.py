"""The life of a node: everything every service needs, started in order, supervised, and ended without harm.

async def run(settings: EdgeSettings) -> None:
    async with Node(settings, NodeKind.EDGE) as node:
        ...                                   # wire the service; the node is "starting" until here
        await node.until_stopped()            # ready from now on, until SIGTERM or SIGINT
"""

from __future__ import annotations

import asyncio
import enum
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
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
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.discovery.nats_discovery import NatsDiscovery, feed_directory
from rillcast.runtime.errors import Crashed, StartError, Stopped
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.ports import Bus, Discovery, KeyValue
from rillcast.runtime.process import stop_signals
from rillcast.runtime.process.address import local_address
from rillcast.runtime.process.admin import admin_app
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.process.seat import Seat
from rillcast.runtime.settings import MediaSettings, NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.runtime.telemetry.logs import configure_logging, get_logger
from rillcast.runtime.telemetry.tracing import configure_tracing, flush_tracing

log = get_logger(__name__)

MAX_CARRIED = 500
_LAG_SAMPLE_S = 0.25
_CANCEL_AGAIN_S = 0.5
_TELL_PAUSE_S = 0.1
"""Between two announcements of a readiness that flaps."""
_MEET_S = 10.0
_LOOK_S = 0.02
_INTERRUPT_AGAIN_S = 3.0
"""A start that swallowed its cancellation gets another one so much later: longer than what it may clean up takes."""

DrainHook = Callable[[], Awaitable[None]]


def product_version() -> str:
    """The version of this installation."""
    try:
        return version("rillcast")
    except PackageNotFoundError:
        return "0"


class _Phase(enum.Enum):
    STARTING = enum.auto()
    """Inside `async with`, up to `until_stopped`: to stop means to cancel whatever is awaited."""
    RUNNING = enum.auto()
    """In `until_stopped`: to stop means to drain."""
    ENDING = enum.auto()
    """On the way out: it stops already."""


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
    ) -> None:
        """`http_address` (signaling only) is the ``ip:port`` its clients' HTTP is served on. `needs` are the kinds of
        nodes without which it can't serve anybody: it isn't ready before it has seen one of each that takes new work,
        or has waited for that long enough. Later it stays ready whatever becomes of them: its clients get an answer."""
        self.settings = settings
        self.kind = NodeKind(kind)
        self.readiness = Readiness()
        self.draining = False
        self.advertise_address = settings.advertise_address or local_address()
        self._http_address = http_address
        self._needs = tuple(needs)
        self._load: NodeLoad = NodeLoad()
        self._carried: tuple[CarriedStream, ...] = ()
        self._tasks = Supervisor(self._crashed)
        self._drain_hooks: list[DrainHook] = []
        self._phase = _Phase.STARTING
        self._stop = asyncio.Event()
        self._ready_changed = asyncio.Event()
        self._owner: asyncio.Task[Any] | None = None
        """The task that is in the `async with` block."""
        self._interrupts = 0
        self._crash = ""
        self._lag_s = 0.0
        self._buckets: dict[str, NatsKeyValue] = {}
        self._resources = AsyncExitStack()
        """How to close everything that is open."""
        self._shown: dict[str, Callable[[], object]] = {}
        """What /readyz shows besides readiness; grows as the node comes up."""

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

    def spawn(self, work: Coroutine[Any, Any, None], name: str, *, finite: bool = False) -> asyncio.Task[None]:
        """Run something for as long as the node lives. If it fails, or returns without being `finite`, the node drains
        and the process ends with code 1."""
        return self._tasks.spawn(work, name, finite=finite)

    def on_drain(self, hook: DrainHook) -> None:
        """Run `hook` once the node takes no new work and before it leaves. All hooks run at once and share
        `drain_timeout_s`; what isn't done by then is cancelled."""
        self._drain_hooks.append(hook)

    def stop(self) -> None:
        """As SIGTERM does. Further calls change nothing."""
        if not self._stop.is_set():
            self._stop.set()
            self._interrupt()

    async def until_stopped(self) -> None:
        """Say that the service is wired, then wait for SIGTERM, SIGINT, `stop` or a crash, and drain."""
        self._phase = _Phase.RUNNING
        if self._needs:
            self.readiness.set("nodes", False, "nodes that take new work are not known yet")
            self.spawn(self._meet(), "first nodes", finite=True)
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
        configure_logging(settings.log_level, settings.log_format, settings.node_id)
        configure_tracing(self.kind, settings.node_id, product_version(), settings.otlp_endpoint)
        self.readiness.set("starting", False, "the service is starting")
        self._owner = asyncio.current_task()
        try:
            await self._start(NodeId(settings.node_id))
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def _start(self, node_id: NodeId) -> None:
        settings, resources = self.settings, self._resources
        loop = asyncio.get_running_loop()
        resources.enter_context(stop_signals.handed_to(partial(loop.call_soon_threadsafe, self.stop)))
        resources.push_async_callback(asyncio.to_thread, flush_tracing)
        self._shown["draining"] = lambda: self.draining
        sock = bind(settings.admin_host, settings.admin_port, "ADMIN_PORT")
        admin = HttpServer(admin_app(self.readiness, self._state), sock)
        resources.push_async_callback(admin.stop)
        self.info = self._describe(node_id, admin.port)
        self._shown |= {"node": lambda: node_id, "kind": lambda: self.kind, "version": lambda: self.info.version}
        await admin.start()
        self._connection = NatsConnection(settings, node_id, self._tasks)
        resources.push_async_callback(self._connection.close)
        await self._connection.open()
        self.bus = bus = NatsBus(self._connection)
        resources.push_async_callback(bus.close)
        self._shown["bus"] = lambda: bus.connected
        self._heartbeat = Heartbeat(bus, self.report, self._tasks)
        resources.push_async_callback(self._heartbeat.stop)
        self.discovery = await self._join(bus)
        self._shown["discovery"] = lambda: self.discovery.reachable
        self._shown["placeable"] = self._placeable
        metrics.BUILD_INFO.labels(self.kind, self.info.version, node_id).set(1)
        self._keep_seat(bus)
        resources.push_async_callback(self._tasks.close)
        self.spawn(self._watch_itself(), "self watch")
        self.readiness.on_change(self._ready_changed.set)
        self.spawn(self._tell_readiness(), "readiness")
        log.info("Node is up", kind=self.kind, admin=self.info.admin_address, version=self.info.version)

    async def _join(self, bus: NatsBus) -> Discovery:
        """Become known, and learn of the others."""
        resources = self._resources
        discovery: Discovery
        if self.settings.discovery == "consul":
            # Clients over NATS don't need its client.
            from rillcast.runtime.discovery.consul_discovery import ConsulDiscovery

            token = self.settings.consul_token.get_secret_value()
            discovery = consul = ConsulDiscovery(self.settings.consul_url, token, supervisor=self._tasks)
            resources.push_async_callback(consul.close)
            await consul.open()
            self.directory = NodeDirectory(consul, connected=lambda: bus.connected)
            await feed_directory(bus, self.directory)
            await self._heartbeat.start()
        else:
            self.directory = NodeDirectory(connected=lambda: bus.connected)
            await feed_directory(bus, self.directory)
            discovery = NatsDiscovery(bus, self.directory, self._heartbeat)
        resources.push_async_callback(discovery.deregister)
        await discovery.register(self.info)
        return discovery

    def _keep_seat(self, bus: NatsBus) -> None:
        if self.kind is not NodeKind.LICENSE:
            seat = Seat(bus, self.info, self.readiness)
            self._resources.push_async_callback(seat.release)
            self._shown["license"] = lambda: seat.state
            self.spawn(seat.keep(), "license seat")

    def _describe(self, node: NodeId, admin_port: int) -> NodeInfo:
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
            admin_address=f"[{host}]:{admin_port}" if ":" in host else f"{host}:{admin_port}",
            media_addresses=media,
            relay_address=self.advertise_address if media else "",
            http_address=self._http_address,
            incarnation=secrets.token_hex(8),
        )

    # ---- run

    def _state(self) -> dict[str, object]:
        return {name: look() for name, look in self._shown.items()}

    def _placeable(self) -> dict[str, int]:
        """How many nodes of each kind this one would give new work to."""
        return {kind.value: len(self.directory.placeable(kind)) for kind in NodeKind}

    async def _tell_readiness(self) -> None:
        """Who waits for a node shall not wait for its next heartbeat, or for the next check of it."""
        while True:
            await self._ready_changed.wait()
            self._ready_changed.clear()
            await self._heartbeat.beat()
            await self.discovery.announce(self.readiness.ready)
            await asyncio.sleep(_TELL_PAUSE_S)

    async def _meet(self) -> None:
        """Keep the condition ``nodes`` until one of each kind needed takes new work, but not for ever: the clients of a
        cluster that lacks them shall be told so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MEET_S):
                while missing := [kind.value for kind in self._needs if not self.directory.placeable(kind)]:
                    self.readiness.set("nodes", False, f"no {' and no '.join(missing)} takes new work yet")
                    await asyncio.sleep(_LOOK_S)
        self.readiness.set("nodes", True)

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

    def _crashed(self, task: str) -> None:
        self._crash = self._crash or task
        self.stop()

    def _interrupt(self) -> None:
        """Cancel what the start waits for. Again and again, since Python 3.11's `asyncio.wait_for`, and thereby
        nats-py, swallows a cancellation that comes with the answer."""
        if self._phase is _Phase.STARTING and self._owner not in {None, asyncio.current_task()}:
            assert self._owner is not None
            self._owner.cancel()
            self._interrupts += 1
            asyncio.get_running_loop().call_later(_INTERRUPT_AGAIN_S, self._interrupt)

    async def _drain(self) -> None:
        self.draining = True
        metrics.DRAINING.set(1)
        self.readiness.set("draining", False, "this node is going away")
        log.info("Draining", at_most_s=self.settings.drain_timeout_s)
        await self._heartbeat.beat()
        if not self._drain_hooks:
            return
        hooks = [asyncio.ensure_future(hook()) for hook in self._drain_hooks]
        done, late = await asyncio.wait(hooks, timeout=self.settings.drain_timeout_s)
        if late:
            log.warning("Draining took too long and was cut short", after_s=self.settings.drain_timeout_s)
            for hook in late:
                hook.cancel()
            await asyncio.wait(late, timeout=_CANCEL_AGAIN_S)
        for hook in done:
            if not hook.cancelled() and (error := hook.exception()) is not None:
                log.exception("A drain hook failed", raised=error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        was_starting, self._phase = self._phase is _Phase.STARTING, _Phase.ENDING
        try:
            await self._resources.aclose()
        finally:
            log.info("Node has ended")
        ours = isinstance(error, asyncio.CancelledError) and self._interrupts > 0 and self._uncancel()
        if self._crash and (error is None or ours):
            raise Crashed(self._crash) from None
        if was_starting and self._stop.is_set() and (ours or isinstance(error, Exception)):
            if not ours:
                log.warning("The start failed when it was to end anyway", reason=repr(error))
            raise Stopped from None

    def _uncancel(self) -> bool:
        """Take our cancellations back; whether nobody else wants the owner cancelled."""
        assert self._owner is not None
        while self._interrupts:
            self._interrupts -= 1
            self._owner.uncancel()
        return self._owner.cancelling() == 0


def main(run: Callable[[Any], Coroutine[Any, Any, None]], settings_type: type[NodeSettings]) -> None:
    """What a service's ``__main__`` calls: settings, event loop, exit code."""
    stop_signals.catch()
    import uvloop

    from rillcast.runtime.settings import load_settings

    settings = load_settings(settings_type)
    configure_logging(settings.log_level, settings.log_format, settings.node_id)
    try:
        uvloop.run(run(settings))
    except Stopped:
        log.info("Told to stop before it was up")
    except Crashed:
        sys.exit(1)
    except (StartError, RillcastError) as error:
        log.error("Cannot start", reason=str(error))
        sys.exit(1)
    finally:
        stop_signals.ignore()


__all__ = ["Node", "StartError", "main", "product_version"]
