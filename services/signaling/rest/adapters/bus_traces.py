"""Asks nodes over the bus for the spans that they keep in memory."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.messages import NodeInfo, TracesAnswer, TracesRequest
from rillcast.runtime.ports import Bus

ASK_S = 2.0


class BusTraces:
    """See `ports.TracingNodes`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def traces(self, info: NodeInfo, request: TracesRequest) -> TracesAnswer:
        """See `ports.TracingNodes`."""
        subject = subjects.node_traces(info.kind, info.node)
        return await self._bus.request(subject, request, TracesAnswer, timeout_s=ASK_S)
