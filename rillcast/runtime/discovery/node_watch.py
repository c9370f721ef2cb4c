"""Watching other nodes, so that their end is noticed at once and nobody is given up who lives.

To each node of some kinds one lifeline is held, on which nothing is said. When it ends, when a heartbeat is overdue, or
when a request has no answer, the node is looked at. `suspicion` decides what that means; here it is carried out.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import NoReturn, Protocol

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeReport, NodeVouched
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.judging import Doubt, Gone
from rillcast.runtime.discovery.lifeline import Ended, Lifeline
from rillcast.runtime.discovery.questions import CannotAsk
from rillcast.runtime.discovery.suspicion import (
    OVERDUE_S,
    QUESTION_S,
    AdminSays,
    BusSays,
    Finding,
    Line,
    State,
    Suspicion,
    conclude,
)
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

TICK_S = 0.1
"""How often we look whose heartbeat is overdue."""
AT_ONCE = 64
"""Nodes that are asked at one time. Others wait: then the trouble is ours, or a part of the cluster is cut off."""
LATE_S = 2 * QUESTION_S + 0.5
"""A look that took longer says nothing: this process was held up itself."""
PAUSES_S = {State.DOUBTED: 0.25, State.ISOLATED: 1.0, State.FROZEN: 0.25, State.MISSING: 0.1}
"""After a look at a node that is not clear, until the next one."""
ASKED_LATELY_S = 1.0
"""A request without an answer makes nobody doubtful whom we have looked at since so short a time."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
"""Between two attempts at a lifeline. It doubles each time, until a lifeline has held for `SETTLED_S`."""
SETTLED_S = 30.0
MOST_SHOWN = 50


class Asks(Protocol):
    """The part of `questions.Questions` that is used here."""

    async def ask_both(self, info: NodeInfo) -> tuple[BusSays, AdminSays]: ...


class Holds(Protocol):
    """The part of `lifeline.Lifeline` that is used here."""

    @property
    def held(self) -> bool: ...

    @property
    def fresh(self) -> bool: ...

    async def hold(self, on_held: Callable[[], None]) -> Ended: ...


AskOthers = Callable[[NodeInfo], Awaitable[None]]


async def _nobody(_info: NodeInfo) -> None:
    """There is nobody to ask."""


class _Look:
    """What one look at a node has found."""

    def __init__(self, bus: BusSays, admin: AdminSays, line: Line) -> None:
        self.line = line
        self.finding = conclude(bus, admin, line)
        self.words = {"bus": bus.value, "admin": admin.value, "lifeline": line.value}


class _Watched:
    """One process of one node."""

    def __init__(self, info: NodeInfo) -> None:
        self.info = info
        self.suspicion = Suspicion()
        self.lifeline: Holds | None = None
        self.ever_held = False
        self.held_at = 0.0
        self.doubts = 0
        self.by = Doubt.HEARTBEAT
        """What made it doubtful first."""
        self.looked_at = -math.inf
        self.vouches = 0
        self.others: set[bool] = set()
        """What other nodes have said since the last look began: whether they hear the node's media."""
        self.news = asyncio.Event()
        self.holding: asyncio.Task[None] | None = None
        self.judging: asyncio.Task[None] | None = None
        self.over = False
        """Whether nobody cares any more. Tasks look at it too, since a cancellation may be swallowed."""

    @property
    def line(self) -> Line:
        if self.lifeline is not None and self.lifeline.fresh:
            return Line.HELD
        return Line.LOST if self.ever_held else Line.NEVER


class NodeWatch:
    """One per process. It is a `directory.Watcher`; `run` belongs to a supervised task, and closes every lifeline."""

    def __init__(
        self,
        directory: NodeDirectory,
        questions: Asks,
        *,
        kinds: Collection[NodeKind],
        most: int,
        ask_others: AskOthers = _nobody,
        clock: Callable[[], float] = time.monotonic,
        lifeline: Callable[[NodeInfo], Holds] = Lifeline,
    ) -> None:
        """`kinds`: of the nodes that are watched. `most`: lifelines at one time; nodes beyond are watched without
        one. `ask_others`: who hears the media plane of this process is asked to say so, by `vouched`."""
        self._directory = directory
        self._questions = questions
        self._kinds = frozenset(kinds)
        self._most = most
        self._ask_others = ask_others
        self._clock = clock
        self._lifeline = lifeline
        self._watched: dict[NodeId, _Watched] = {}
        self._group: asyncio.TaskGroup | None = None
        self._looking = asyncio.Semaphore(AT_ONCE)
        self._lines = 0

    async def run(self) -> NoReturn:
        """Watch until cancelled. Call once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for watched in self._watched.values():
                    self._begin(watched)
                while True:
                    self._look_around()
                    await asyncio.sleep(TICK_S)
        finally:
            self._group = None
            for watched in self._watched.values():
                watched.over = True

    def shown(self) -> dict[str, object]:
        """For /readyz: how many lifelines there are, and what is thought of whom. Those that live are not named."""
        doubtful = {node: w.suspicion.state.value for node, w in self._watched.items() if not self.trusts(node)}
        return {
            "lifelines": sum(w.line is Line.HELD for w in self._watched.values()),
            "doubtful": dict(list(doubtful.items())[:MOST_SHOWN]),
        }

    # ---- what the directory tells and asks

    def heard(self, report: NodeReport) -> None:
        """See `Watcher.heard`."""
        info = report.info
        watched = self._watched.get(info.node)
        if watched is not None:
            self._heard_of(watched)
        elif info.kind in self._kinds:
            watched = self._watched[info.node] = _Watched(info)
            self._begin(watched)

    def forget(self, node: NodeId) -> None:
        """See `Watcher.forget`."""
        watched = self._watched.pop(node, None)
        if watched is None:
            return
        watched.over = True
        watched.news.set()
        for task in (watched.holding, watched.judging):
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    def judges(self, node: NodeId) -> bool:
        """See `Watcher.judges`."""
        return node in self._watched and self._group is not None

    def trusts(self, node: NodeId) -> bool:
        """See `Watcher.trusts`."""
        watched = self._watched.get(node)
        return watched is None or watched.suspicion.trusted

    def isolates(self, node: NodeId) -> bool:
        """See `Watcher.isolates`."""
        watched = self._watched.get(node)
        return watched is not None and watched.suspicion.state is State.ISOLATED

    def thinks(self, node: NodeId) -> State:
        """See `Watcher.thinks`."""
        watched = self._watched.get(node)
        return State.CLEAR if watched is None else watched.suspicion.state

    def doubt(self, node: NodeId, by: Doubt) -> None:
        """See `Watcher.doubt`."""
        watched = self._watched.get(node)
        if watched is None or watched.over or self._group is None:
            return
        lately = watched.judging is not None or self._clock() - watched.looked_at < ASKED_LATELY_S
        if by in (Doubt.REQUEST, Doubt.RELAY) and lately:
            return
        was_clear = watched.suspicion.clear
        watched.suspicion.doubt(self._clock())
        watched.doubts += 1
        watched.news.set()
        if was_clear:
            watched.by, watched.vouches = by, 0
            metrics.NODE_DOUBTS.labels(watched.info.kind, by).inc()
            if watched.judging is None:
                watched.judging = self._group.create_task(self._judge(watched), name="look at a node")

    def vouched(self, event: NodeVouched) -> None:
        """Somebody hears the media plane of a doubted process, or hears it no longer. Of any other one this says
        nothing, nor does what a node says of itself."""
        watched = self._watched.get(event.node)
        if watched is None or watched.info.incarnation != event.incarnation or event.by == event.node:
            return
        watched.others.add(event.hears)
        if not event.hears or watched.suspicion.trusted:
            return
        if not watched.vouches:
            log.info("A node that answers nobody still serves media", node=event.node, says=event.by)
        watched.vouches += 1
        metrics.NODE_VOUCHES.labels(watched.info.kind).inc()

    # ---- signs of life

    def _look_around(self) -> None:
        metrics.LIFELINES.set(sum(w.lifeline is not None and w.lifeline.held for w in self._watched.values()))
        if not self._directory.hearing:
            return
        for node in self._directory.silent(OVERDUE_S):
            watched = self._watched.get(node)
            if watched is not None and watched.suspicion.clear:
                self.doubt(node, Doubt.HEARTBEAT)

    def _heard_of(self, watched: _Watched) -> None:
        before = watched.suspicion.state
        watched.suspicion.heard()
        if watched.suspicion.state is not before:
            watched.news.set()
            log.info("A node is heard of again", node=watched.info.node, it_was=before.value)

    def _begin(self, watched: _Watched) -> None:
        if self._group is not None:
            watched.holding = self._group.create_task(self._hold(watched), name="lifeline")

    async def _hold(self, watched: _Watched) -> None:
        """Hold a lifeline to the node, again and again."""
        pause_s = FIRST_PAUSE_S
        while not watched.over:
            if self._lines < self._most:
                ended = await self._hold_one(watched)
                metrics.LIFELINES_ENDED.labels(ended).inc()
                if ended is Ended.LOST and not watched.over:
                    self.doubt(watched.info.node, Doubt.LIFELINE)
                settled = ended is Ended.LOST and self._clock() - watched.held_at >= SETTLED_S
                pause_s = FIRST_PAUSE_S if settled else min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                pause_s = LONGEST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _hold_one(self, watched: _Watched) -> Ended:
        self._lines += 1
        try:
            watched.lifeline = self._lifeline(watched.info)
            return await watched.lifeline.hold(partial(self._held, watched))
        finally:
            self._lines -= 1

    def _held(self, watched: _Watched) -> None:
        watched.ever_held = True
        watched.held_at = self._clock()

    # ---- looking at one node

    async def _judge(self, watched: _Watched) -> None:
        """Look at a doubtful node until it is clear what is with it."""
        suspicion = watched.suspicion
        try:
            while not watched.over and suspicion.open:
                watched.news.clear()
                hearing, began, doubts = self._directory.hearing, suspicion.began, watched.doubts
                vouches = watched.vouches
                look = await self._look(watched) if hearing else None
                if watched.over or suspicion.clear or suspicion.began != began:
                    continue  # what was found is about a doubt that is over
                if watched.vouches != vouches:
                    suspicion.wait_anew(self._clock())
                if look is None or self._directory.hearing != hearing:
                    suspicion.wait_anew(self._clock())
                elif look.finding is Finding.ALIVE and watched.doubts != doubts:
                    continue  # it may have answered before it died
                else:
                    self._take(watched, look)
                if (pause_s := PAUSES_S.get(suspicion.state)) is not None:
                    await _either(watched.news, pause_s)
        finally:
            watched.judging = None

    async def _look(self, watched: _Watched) -> _Look | None:
        """None when nothing can be said."""
        async with self._looking:
            began = self._clock()
            watched.others.clear()
            if watched.suspicion.state is not State.ISOLATED:
                await self._ask_others(watched.info)
            try:
                bus, admin = await self._questions.ask_both(watched.info)
            except CannotAsk:
                return None
            watched.looked_at = self._clock()
            return _Look(bus, admin, watched.line) if watched.looked_at - began <= LATE_S else None

    def _take(self, watched: _Watched, look: _Look) -> None:
        suspicion, info, now = watched.suspicion, watched.info, self._clock()
        is_news = look.finding is not suspicion.finding
        suspicion.found(look.finding, look.line, now, missed_by_others=watched.others == {False})
        self._directory.judged(info.node)
        gone = suspicion.state is State.GONE
        if is_news:
            metrics.NODE_FINDINGS.labels(info.kind, look.finding).inc()
        if is_news or gone:
            tell = log.info if look.finding is Finding.ALIVE else log.warning
            tell(
                "A node is given up" if gone else "A node was looked at",
                node=info.node,
                kind=info.kind,
                finding=look.finding.value,
                doubted_by=watched.by.value,
                after_s=round(now - suspicion.began, 3),
                **look.words,
            )
        if look.finding is Finding.ALIVE:
            self._directory.confirmed(info)
        elif gone:
            metrics.NODE_GONE_SECONDS.observe(now - suspicion.began)
            self._directory.given_up(info, Gone(look.finding))


async def _either(news: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await news.wait()
    except TimeoutError:
        pass
