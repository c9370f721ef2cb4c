"""The latest traces that the nodes keep in memory."""

from __future__ import annotations

from rillcast.contracts.status import TRACES_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.domain.trace_shapes import FoundTraces
from services.signaling.rest.usecases.trace_list import TraceList

TABLE = Table(
    tag="traces",
    about="What took how long, and where, across all nodes: of joins, moves, failovers, drains and the like.",
    resource=TraceList,
    input="traces",
    rows=(
        Endpoint(
            "GET",
            TRACES_PATH,
            OPERATOR,
            TraceList.traces,
            "The newest traces, whole, put together of what the nodes still have in memory.",
            name="list_traces",
            answer=FoundTraces,
        ),
    ),
)
