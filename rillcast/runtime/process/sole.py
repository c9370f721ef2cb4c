"""One process for each node id: a newcomer looks whether another one lives, and an older one yields to its successor.

A process that starts asks whether anybody confirms to live under its id. If so, it waits a little, since its
predecessor may be on its way out, and then it gives up in words. A predecessor that does not answer (it is dead, frozen
or cut off) is succeeded. If it comes back to life, both hear each other's heartbeats, and the older one
yields. A heartbeat may have waited long before it is read, so who hears one asks the other process for its age first.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from enum import Enum

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
TOGETHER_S = 0.05
"""Two processes whose ages differ by no more than the time of one quick question started together: then their
incarnations decide."""


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


class Verdict(Enum):
    """What follows from the ages of two processes that have one id."""

    STAYS = "stays"
    YIELDS = "yields"
    UNKNOWN = "unknown"
    """The question took too long for an answer. The next heartbeat leads to another one."""


class Twins:
    """What this process does about others that have its id. One per process."""

    def __init__(
        self,
        info: Callable[[], NodeInfo],
        up_s: Callable[[], float],
        age_of: Callable[[NodeInfo], Awaitable[float | None]],
        yields: Callable[[IdTaken], None],
    ) -> None:
        """`up_s`: for how many seconds this process has run. `age_of`: the same of that process, as its admin listener
        says, None when nobody answers there as who it is. `yields` is called once, when this process is not the one
        that stays."""
        self._info = info
        self._up_s = up_s
        self._age_of = age_of
        self._yields = yields
        self._looking: asyncio.Task[None] | None = None
        self._told = False
        self._over = False

    def heard(self, report: NodeReport) -> None:
        """A heartbeat of another process with this id. It can be made up, and it can be old."""
        if not self._over and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(report.info), name="twin")

    async def close(self) -> None:
        """End the look that is under way, if there is one."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def _look(self, other: NodeInfo) -> None:
        before_s = self._up_s()
        age_s = await self._age_of(other)
        if age_s is None or self._over:
            return
        match judge(self._info(), (before_s, self._up_s()), other, age_s):
            case Verdict.YIELDS:
                self._over = True
                self._yields(
                    IdTaken(
                        f"a process that stays (incarnation {other.incarnation}, at {other.admin_address}) has the "
                        f"node id {other.node}; every node needs an id of its own"
                    )
                )
            case Verdict.STAYS if not self._told:
                self._told = True
                log.warning("Another process has this node id, and has to yield", incarnation=other.incarnation)
            case _:
                pass


def judge(me: NodeInfo, up_s: tuple[float, float], other: NodeInfo, other_up_s: float) -> Verdict:
    """Whether this process stays, and the other one has to go. The younger one of a kind stays: it has looked at its
    start whether the older one lives. One of another kind is no successor: there the older one stays.

    `up_s`: how long this process had run when it asked the other one for its age, and when it had the answer
    `other_up_s`. Both come to the same conclusion, however long their questions take, except that both may yield when
    they started within `TOGETHER_S`."""
    asked_s, answered_s = up_s
    if asked_s > other_up_s:
        older = True
    elif answered_s < other_up_s:
        older = False
    elif answered_s - asked_s > TOGETHER_S:
        return Verdict.UNKNOWN
    else:
        return Verdict.STAYS if me.incarnation > other.incarnation else Verdict.YIELDS
    return Verdict.YIELDS if older is (me.kind is other.kind) else Verdict.STAYS
