"""The latest traces, put together of what the nodes keep in memory. No other program is needed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import NodeInfo, TracesAnswer, TracesRequest
from rillcast.contracts.messages.traces import MOST_TRACES
from rillcast.contracts.words import NodeKind
from services.signaling.rest.domain.parameters import About, InApp
from services.signaling.rest.domain.trace_shapes import FoundTraces, newest_first, traces_of
from services.signaling.rest.ports import Nodes, TracingNodes

MOST_NODES = 256
"""Nodes that are asked, signaling first, since every join begins there; how many are left out is said."""
AT_ONCE = 32
MOST_SHOWN = 20
_ORDER = (NodeKind.SIGNALING, NodeKind.ORIGIN, NodeKind.TRANSCODER, NodeKind.LICENSE, NodeKind.EDGE)

AboutWhat = Annotated[
    str,
    About("A stream, a session or a trace: only traces that are about it.", name="about", example="stream1"),
]
Named = Annotated[
    str, About("Only those whose root has this in its name: play, publish, drain.", name="name", example="play")
]
Failed = Annotated[bool, About("Only those in which something went wrong.", name="failed", example=False)]
HowMany = Annotated[int, About("How many at most.", name="size", least=1, most=MOST_SHOWN, example=1)]


class TraceList:
    """One per signaling instance."""

    def __init__(self, nodes: Nodes, tracing: TracingNodes) -> None:
        self._nodes = nodes
        self._tracing = tracing

    async def traces(
        self, *, about: AboutWhat = "", app: InApp = "", name: Named = "", failed: Failed = False, size: HowMany = 1
    ) -> FoundTraces:
        """Those that began last first; where nothing is said of them, those about any stream. All nodes are asked
        twice: which traces they know of, and then for their parts of the newest ones, since only some of the spans of a
        trace say what it is about."""
        infos = sorted((one.info for one in self._nodes.all()), key=lambda info: (_ORDER.index(info.kind), info.node))
        asked = infos[:MOST_NODES]
        any_stream = not (about or name or failed)
        wanted = MOST_TRACES if name or any_stream else size
        first = TracesRequest(about=about, app=app, failed=failed, most=wanted)
        knowing = await self._ask(asked, first)
        traces = newest_first(knowing)[:wanted]
        answers = await self._ask(asked, TracesRequest(traces=tuple(traces))) if traces else knowing
        kinds = {info.node: info.kind for info in asked}
        found = [one for one in traces_of(answers, kinds) if name in one.name and (one.stream or not any_stream)]
        answered = {answer.node for answer in answers}
        return FoundTraces(
            traces=found[:size],
            asked=len(asked),
            silent=[info.node for info in asked if info.node not in answered],
            left_out=len(infos) - len(asked),
            kept=sum(answer.kept for answer in answers),
            forgotten=sum(answer.forgotten for answer in answers),
            cut=sum(answer.cut for answer in answers),
        )

    async def _ask(self, infos: Sequence[NodeInfo], request: TracesRequest) -> list[TracesAnswer]:
        """The answers of those that answer."""
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(info: NodeInfo) -> TracesAnswer | None:
            async with places:
                try:
                    answer = await self._tracing.traces(info, request)
                except RillcastError:
                    return None
            return answer if answer.node == info.node else None

        return [answer for answer in await asyncio.gather(*map(ask, infos)) if answer is not None]
