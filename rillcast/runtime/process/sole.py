"""One process for each node id: a newcomer looks whether another one lives, and an older one yields to its successor.

A process that starts asks whether anybody confirms to live under its id. If so, it waits a little, since its
predecessor may be on its way out, and then it gives up in words. A predecessor that does not answer (it is dead, frozen
or cut off) is succeeded. If it comes back to life, both hear each other's heartbeats, and the older one yields.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import NodeConfirm, NodeConfirmed, NodeInfo, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.errors import NodeFault, RequestOutcome, StartError, Unanswered
from rillcast.runtime.ports import Bus
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

LEAVING_S = 2.0
"""How much longer than its drain the process before this one may take to end."""
ASK_S = 0.4
ASK_AGAIN_S = 0.5
SILENT_LOOKS = 3
"""Questions without an answer, after which nobody lives there."""
SAME_AGE_S = 2.0
"""Two processes whose ages differ by less started together: then their incarnations decide."""


class IdTaken(NodeFault):
    """Another process has this node's id, and is the one that stays."""


async def require(bus: Bus, info: NodeInfo, *, patience_s: float) -> None:
    """Return when no other living process has this id. Raises `StartError` with the one that has it, and still has it
    after `patience_s`. To be called before this process serves anything."""
    until, told = time.monotonic() + patience_s, False
    while (other := await _living(bus, info)) is not None:
        kind, answer = other
        if not told:
            told = True
            log.warning("Another process has this node id, waiting for its end", incarnation=answer.incarnation)
        if time.monotonic() >= until:
            raise StartError(
                f"the node id {info.node} is that of a living {kind} node (incarnation {answer.incarnation}); every "
                f"node needs an id of its own: set RILLCAST_{info.kind.upper()}_NODE_ID"
            )
        await asyncio.sleep(ASK_AGAIN_S)


async def _living(bus: Bus, info: NodeInfo) -> tuple[NodeKind, NodeConfirmed] | None:
    """Who lives under the id, of whatever kind."""
    answers = await asyncio.gather(*(_confirmed(bus, kind, info) for kind in NodeKind))
    return next(((kind, one) for kind, one in zip(NodeKind, answers, strict=True) if one is not None), None)


async def _confirmed(bus: Bus, kind: NodeKind, info: NodeInfo) -> NodeConfirmed | None:
    for _ in range(SILENT_LOOKS):
        question = NodeConfirm(challenge=secrets.token_hex(16))
        try:
            return await bus.request(subjects.node_confirm(kind, info.node), question, NodeConfirmed, timeout_s=ASK_S)
        except Unanswered as error:
            if error.outcome in {RequestOutcome.NOBODY, RequestOutcome.DENIED}:
                return None
        except RillcastError:
            return None  # it makes no sense, so it is none of ours
    return None


class Twins:
    """What this process does about others that have its id. One per process."""

    def __init__(
        self,
        info: Callable[[], NodeInfo],
        up_s: Callable[[], float],
        exists: Callable[[NodeInfo], Awaitable[bool]],
        yields: Callable[[IdTaken], None],
    ) -> None:
        """`up_s`: how long this process has run. `exists`: whether that process answers at its admin listener.
        `yields` is called once, when this process is not the one that stays."""
        self._info = info
        self._up_s = up_s
        self._exists = exists
        self._yields = yields
        self._looking: asyncio.Task[None] | None = None
        self._over = False

    def heard(self, report: NodeReport) -> None:
        """A heartbeat of another process with this id."""
        if self._over or (self._looking is not None and not self._looking.done()):
            return
        if stays(self._info(), self._up_s(), report):
            log.warning("Another process has this node id, and has to yield", incarnation=report.info.incarnation)
            return
        self._looking = asyncio.create_task(self._look(report.info), name="twin")

    async def close(self) -> None:
        """End the look that is under way, if there is one."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def _look(self, other: NodeInfo) -> None:
        """A heartbeat can be made up. So the other one has to answer where it says that it listens."""
        if await self._exists(other) and not self._over:
            self._over = True
            self._yields(
                IdTaken(
                    f"a process that started later (incarnation {other.incarnation}, at {other.admin_address}) has the "
                    f"node id {other.node}; every node needs an id of its own"
                )
            )


def stays(me: NodeInfo, up_s: float, other: NodeReport) -> bool:
    """Whether this process stays, and the other one has to go. Both come to the same conclusion: the younger one has
    looked at its start whether the older one lives. One of another kind is no successor."""
    if other.info.kind is not me.kind:
        return up_s > other.up_s
    if abs(up_s - other.up_s) >= SAME_AGE_S:
        return up_s < other.up_s
    return me.incarnation > other.info.incarnation
