"""Emptying nodes. A drain lives at its node: any instance shows it, and it goes on when the one that began it ends."""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import DrainRequest
from rillcast.contracts.words import DrainAction
from rillcast.runtime.telemetry.tracing import tracer
from services.signaling.rest.domain.node_drain import (
    DRAINED_KINDS,
    NodeDrain,
    checked_deadline,
    node_drain,
    unknown,
    wrong_kind,
)
from services.signaling.rest.domain.parameters import Deadline, Node, Now
from services.signaling.rest.ports import DrainedNodes, Nodes

trace = tracer("rillcast.signaling")


class NodeDrains:
    """One per signaling instance."""

    def __init__(self, nodes: Nodes, drained: DrainedNodes) -> None:
        self._nodes = nodes
        self._drained = drained

    async def begin(self, node: Node, deadline: Deadline = None, now: Now = False) -> NodeDrain:
        """Begin a drain, give it another deadline, or wait no longer. Raises `Refused`, or `RillcastError`."""
        seconds = checked_deadline(deadline)
        with trace.start_as_current_span("drain", kind=SpanKind.SERVER, attributes={"rillcast.node": node}):
            if now:
                return await self._ask(node, DrainRequest(action=DrainAction.CUT))
            return await self._ask(node, DrainRequest(action=DrainAction.BEGIN, deadline_s=seconds))

    async def show(self, node: Node) -> NodeDrain:
        """How far it is. Raises `Refused`, or `RillcastError`."""
        return await self._ask(node, DrainRequest(action=DrainAction.LOOK))

    async def undo(self, node: Node) -> NodeDrain:
        """Have the node take new work again. Raises `Refused`, or `RillcastError`."""
        return await self._ask(node, DrainRequest(action=DrainAction.UNDO))

    async def _ask(self, node: NodeId, request: DrainRequest) -> NodeDrain:
        report = self._nodes.get(node)
        if report is None:
            raise unknown(node, died=self._nodes.died(node))
        kind = report.info.kind
        if kind not in DRAINED_KINDS:
            raise wrong_kind(node, kind)
        return node_drain(node, kind, await self._drained.drain(node, request))
