"""What a node tells others of the traces that it keeps in memory, and what they tell it."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, TracesAnswer, TracesKept, TracesRequest
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.errors import PermissionMissing
from rillcast.runtime.ports import Bus
from rillcast.runtime.process.version import product_version
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.kept_spans import found
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.telemetry.span_store import Fate
from rillcast.runtime.telemetry.tracing import Tracing, configure_tracing, recorder

log = get_logger(__name__)

EVERY_S = 1.0


def configure(kind: NodeKind, settings: NodeSettings) -> None:
    """Make spans as the settings say."""
    asked = Tracing(
        otlp_endpoint=settings.otlp_endpoint,
        most=settings.trace_spans,
        ratio=settings.trace_ratio,
        slow_s=settings.trace_slow_s,
        region=settings.region,
        zone=settings.zone,
    )
    configure_tracing(kind, settings.node_id, product_version(), asked)


async def serve(bus: Bus, info: NodeInfo) -> None:
    """From now on, show signaling what is kept, and keep what others have seen fail. A node whose user of NATS may not
    do this runs without."""

    async def asked(request: TracesRequest) -> TracesAnswer:
        return found(info.node, recorder(), request)

    async def kept(_subject: str, event: TracesKept) -> None:
        if event.node != info.node and (ours := recorder()) is not None:
            ours.keep(event.traces)

    try:
        await bus.serve(subjects.node_traces(info.kind, info.node), TracesRequest, asked)
        await bus.listen(subjects.TRACES_KEPT, TracesKept, kept)
    except PermissionMissing as error:
        log.warning("The traces of this node cannot be asked for", reason=str(error))


async def tell(bus: Bus, node: NodeId) -> NoReturn:
    """Each second, tell others which traces to keep; until cancelled."""
    told = dict.fromkeys(Fate, 0)
    while True:
        await asyncio.sleep(EVERY_S)
        if (ours := recorder()) is None:
            continue
        for fate, forgotten in ours.store.forgotten.items():
            metrics.TRACE_SPANS_FORGOTTEN.labels(fate.value).inc(forgotten - told[fate])
            told[fate] = forgotten
        if news := ours.take_news():
            await bus.emit(subjects.TRACES_KEPT, TracesKept(node=node, traces=news))
