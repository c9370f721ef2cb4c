"""`Discovery` without a registry: nodes are known by their heartbeats on the bus."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.ports import Bus
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


class NatsDiscovery:
    """See `rillcast.runtime.ports.Discovery`. A node is healthy while its heartbeats say that it is ready."""

    def __init__(self, bus: Bus, directory: NodeDirectory, heartbeat: Heartbeat) -> None:
        self._bus = bus
        self._directory = directory
        self._heartbeat = heartbeat

    async def register(self, info: NodeInfo) -> None:
        """See `Discovery.register`; the heartbeat's report must describe `info`."""
        await self._heartbeat.start()

    async def announce(self, ready: bool) -> None:
        """See `Discovery.announce`: the heartbeat's report says it."""
        await self._heartbeat.beat()

    async def deregister(self) -> None:
        """See `Discovery.deregister`."""
        await self._heartbeat.stop()

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeInfo]:
        """See `Discovery.nodes`."""
        return {node: report.info for node, report in self._directory.nodes(kind).items() if report.ready}

    @property
    def reachable(self) -> bool:
        """Whether heartbeats can arrive."""
        return self._bus.connected


async def feed_directory(bus: Bus, directory: NodeDirectory) -> None:
    """Let heartbeats and goodbyes from the bus into `directory`. NATS lets each kind of node speak only under subjects
    with its kind, so what speaks of another node than its subject is refused and counted."""

    async def heard(subject: str, report: NodeReport) -> None:
        if subject == subjects.node_reported(report.info.kind, report.info.node):
            directory.heard(report)
        else:
            _refuse(subject)

    async def left(subject: str, event: NodeLeft) -> None:
        if subject == subjects.node_left(event.kind, event.node):
            directory.left(event)
        else:
            _refuse(subject)

    await bus.listen(subjects.NODES_REPORTED, NodeReport, heard)
    await bus.listen(subjects.NODES_LEFT, NodeLeft, left)


def _refuse(subject: str) -> None:
    metrics.BUS_EVENTS_DROPPED.labels("sender").inc()
    log.warning("An event speaks of another node than its subject", subject=subject)
