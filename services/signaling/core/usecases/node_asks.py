"""The requests of one join to nodes: one after the other, or beside each other where a silent one may still answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport, SessionAnswer

Ask = Callable[[NodeId, float], Awaitable[SessionAnswer]]
"""Asks a node, which has so many seconds for its answer. Raises `RillcastError`."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long nodes are waited for."""

    total_s: float
    """From the first request to the refusal that the client gets."""
    one_s: float
    """How long one node may take where there is another one, if so much is left of `total_s`."""
    alone_s: float | None
    """After so long without news another node is asked as well. None: two are never asked at one time."""


class NodeAsks:
    """The requests under way. `give_up` must be called in the end."""

    def __init__(self, ask: Ask, patience: Patience) -> None:
        self._ask = ask
        self._patience = patience
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + patience.total_s
        self._under_way: dict[asyncio.Task[SessionAnswer], NodeReport] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def left_s(self) -> float:
        """How much of the time is left."""
        return self._deadline - self._clock()

    @property
    def nodes(self) -> list[NodeId]:
        """The nodes that have not answered yet, in the order in which they were asked."""
        return [report.info.node for report in self._under_way.values()]

    def begin(self, report: NodeReport, *, last: bool) -> None:
        """Ask this node too. `last`: there is no other one to leave any time to."""

        async def asking(timeout_s: float) -> SessionAnswer:
            return await self._ask(report.info.node, timeout_s)

        timeout_s = self.left_s if last else min(self._patience.one_s, self.left_s)
        self._under_way[asyncio.create_task(asking(timeout_s), name="ask a node")] = report

    async def ended(self) -> tuple[NodeReport, asyncio.Task[SessionAnswer]] | None:
        """The next request that is done, with its node; None when there were no news for `Patience.alone_s`. Where
        several are done at once, the others follow with the next calls."""
        await asyncio.wait(self._under_way, timeout=self._patience.alone_s, return_when=asyncio.FIRST_COMPLETED)
        for task in self._under_way:
            if task.done():
                return self._under_way.pop(task), task
        return None

    def give_up(self) -> list[NodeId]:
        """Wait for no answer any more. The nodes that may have the session, or get it yet: each must be told."""
        nodes = self.nodes
        for task in self._under_way:
            task.cancel()
            task.add_done_callback(_answer_not_wanted)
        self._under_way.clear()
        return nodes


def _answer_not_wanted(task: asyncio.Task[SessionAnswer]) -> None:
    """Else asyncio complains about a refusal that nobody has looked at."""
    if not task.cancelled():
        task.exception()
