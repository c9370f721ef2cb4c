"""`Discovery` without a registry: nodes are known by their heartbeats on the bus."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.beats import Beats, Fault, refused
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.ports import Bus


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

    async def abandon(self) -> None:
        """See `Discovery.abandon`."""
        await self._heartbeat.fall_silent()

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeInfo]:
        """See `Discovery.nodes`."""
        return {node: report.info for node, report in self._directory.nodes(kind).items() if report.ready}

    @property
    def reachable(self) -> bool:
        """Whether heartbeats can arrive."""
        return self._bus.connected


async def feed_directory(
    bus: Bus,
    directory: NodeDirectory,
    beats: Beats | None = None,
    *,
    me: NodeInfo | None = None,
    twin: Callable[[NodeReport], None] = lambda _: None,
) -> None:
    """Let heartbeats and goodbyes from the bus into `directory`. What is not a node's own is refused and counted.
    `beats`: who says so; by default no signature is asked for. `twin` hears each heartbeat of another process that has
    the id of `me`; none of them gets into the directory."""
    judge = beats or Beats(lambda *_: True)

    async def heard(subject: str, report: NodeReport) -> None:
        node = report.info.node
        why = judge.fault(subject, report, directory.last(node))
        if why is None and me is not None and node == me.node and report.info.incarnation != me.incarnation:
            why = Fault.TWICE
            twin(report)
        if why is None and not directory.heard(report):
            why = Fault.TWICE
        if why is not None:
            refused(why, subject, node)

    async def left(subject: str, event: NodeLeft) -> None:
        known = directory.last(event.node)
        why = judge.fault_of_goodbye(subject, event, known)
        if why is None:
            directory.left(event)
        elif known is not None or why is Fault.SUBJECT:  # a goodbye that comes twice says nothing new
            refused(why, subject, event.node)

    await bus.listen(subjects.NODES_REPORTED, NodeReport, heard)
    await bus.listen(subjects.NODES_LEFT, NodeLeft, left)
