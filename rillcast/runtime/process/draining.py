"""Emptying a node: over one way, whether SIGTERM or an operator wants it.

    NONE ──begin──▶ DRAINING ──nobody is left──▶ DRAINED
      ▲                │ └──deadline, or cut──▶ CUT        in all three nothing new is taken
      └──────undo──────┴──────────┴──────────────┘

What a drain is lives in this process only: a process that starts anew takes new work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from opentelemetry.trace import StatusCode

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import DrainCount, DrainProgress, DrainRequest
from rillcast.contracts.words import DrainAction, DrainPhase, NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.process.departure import Departure, Leaves, Left, Load
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.tracing import get_logger, tracer

log = get_logger(__name__)
trace = tracer(__name__)

CANCEL_AGAIN_S = 0.5
"""How long a part that was cancelled may take to end. Nobody waits for it any longer, and it is cancelled again and
again: a part that waits for an answer may swallow a cancellation (see `cancelled`)."""
CUT_S = 5.0
"""How long it may take to end what is left."""

DrainHook = Callable[[], Awaitable[None]]


class Hook:
    """A service of which only the leaving is of interest, as `Leaves`."""

    def __init__(self, leave: DrainHook) -> None:
        self._leave = leave

    async def leave(self, departure: Departure) -> None:
        """See `Leaves.leave`."""
        await self._leave()

    def left(self) -> Left:
        """See `Leaves.left`."""
        return {}

    def named(self) -> Iterable[tuple[Load, str]]:
        """See `Leaves.named`."""
        return ()

    async def cut(self) -> None:
        """See `Leaves.cut`."""

    def stay(self) -> None:
        """See `Leaves.stay`."""


class Draining:
    """The drains of one node: what is wanted, how far it is, and how it is done."""

    def __init__(
        self,
        kind: NodeKind,
        *,
        default_s: float,
        elsewhere: Callable[[], bool],
        tell: Callable[[], Awaitable[None]],
        taking: Callable[[bool], None],
    ) -> None:
        """`default_s`: how long a drain takes of which nobody says it. `elsewhere`: whether another node of this kind
        takes new work. `tell`: let the others know of this node's state. `taking`: whether this node takes new work."""
        self._kind = kind
        self._default_s = default_s
        self._elsewhere = elsewhere
        self._tell = tell
        self._taking = taking
        self._parts: list[Leaves] = []
        self._departure: Departure | None = None
        self._began: dict[Load, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None
        """What cancels the parts that were late."""
        self._over = asyncio.Event()
        self.phase = DrainPhase.NONE

    def add(self, part: Leaves) -> None:
        """Empty this, too. Call before the first drain."""
        self._parts.append(part)

    # ---- what is wanted

    async def asked(self, request: DrainRequest) -> DrainProgress:
        """Serve `subjects.node_drain`. Raises BAD_REQUEST when there is no drain to take back."""
        match request.action:
            case DrainAction.BEGIN:
                self.begin(request.deadline_s)
            case DrainAction.CUT:
                self.cut("an operator")
            case DrainAction.UNDO:
                await self.undo()
            case DrainAction.LOOK:
                pass
        return self.progress()

    def begin(self, deadline_s: float | None = None, *, ending: bool = False) -> None:
        """Begin, or give the drain that is under way another deadline. `ending`: the process ends afterwards, so that a
        deadline becomes only shorter by it."""
        departure = self._departure
        if departure is None:
            self._begin(self._default_s if deadline_s is None else deadline_s, ending=ending)
            return
        if ending:
            departure.ending = True
            departure.be_over_in(min(departure.left_s, self._default_s if deadline_s is None else deadline_s))
        elif deadline_s is not None and self.phase is DrainPhase.DRAINING:
            limit = departure.left_s if departure.ending else deadline_s
            departure.be_over_in(min(deadline_s, limit))

    def cut(self, by: str) -> None:
        """Wait no longer. `by`: who wants it so, for the log."""
        if self._departure is None:
            self._begin(0.0, ending=False)
        elif self.phase is DrainPhase.DRAINING:
            log.warning("The drain is cut short", by=by)
            self._departure.be_over_in(0.0)

    async def undo(self) -> None:
        """Take new work again. Raises BAD_REQUEST when there is nothing to take back."""
        departure, task = self._departure, self._task
        if departure is None or task is None:
            raise RillcastError(ErrorCode.BAD_REQUEST, "this node is not being drained")
        if departure.ending:
            raise RillcastError(ErrorCode.BAD_REQUEST, "the process of this node was told to end: it cannot stay")
        task.cancel()
        await asyncio.wait((task,))
        if self._departure is not departure or departure.ending:
            return  # somebody else was faster
        self._departure = self._task = None
        self.phase = DrainPhase.NONE
        self._over.clear()
        metrics.DRAINS.labels("undone").inc()
        for part in self._parts:
            part.stay()
        self._taking(True)
        log.info("The drain was taken back: this node takes new work again")
        await self._tell()

    async def until_over(self) -> None:
        """Return when nobody is left. Begin first."""
        await self._over.wait()

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    # ---- how far it is

    def progress(self, *, names: bool = True) -> DrainProgress:
        """What others may know. `names`: also of those who were cut off."""
        departure = self._departure
        if departure is None:
            return DrainProgress(phase=self.phase)
        left = self._left()
        counts = {what.value: self._count(departure, what, left.get(what, 0)) for what in Load}
        stuck = self.phase is DrainPhase.DRAINING and any(left.values()) and not departure.elsewhere()
        return DrainProgress(
            phase=self.phase,
            deadline_s=departure.deadline_s,
            left_s=departure.left_s if self.phase is DrainPhase.DRAINING else 0.0,
            ending=departure.ending,
            cut=tuple(departure.names) if names else (),
            obstacle=f"no other {self._kind} takes new work, so nobody can be moved" if stuck else "",
            **counts,
        )

    def observe(self) -> None:
        """Bring the gauges up to date. Called several times a second."""
        metrics.DRAINING.set(self.phase is not DrainPhase.NONE)
        if self._departure is not None:
            for what, count in self._left().items():
                metrics.DRAIN_LEFT.labels(what).set(count)

    def _count(self, departure: Departure, what: Load, left: int) -> DrainCount:
        cut = departure.cut[what]
        return DrainCount(began=max(self._began.get(what, 0), left + cut), left=left, cut=cut)

    def _left(self) -> dict[Load, int]:
        found = dict.fromkeys(Load, 0)
        for part in self._parts:
            for what, count in part.left().items():
                found[what] += count
        return found

    # ---- the drain

    def _begin(self, deadline_s: float, *, ending: bool) -> None:
        clock = asyncio.get_running_loop().time
        self._departure = Departure(deadline_s, ending=ending, elsewhere=self._elsewhere, clock=clock)
        self._began = self._left()
        self.phase = DrainPhase.DRAINING
        self._taking(False)
        left = {what.value: count for what, count in self._began.items() if count}
        log.info("Draining", at_most_s=deadline_s, ending=ending, **left)
        self._task = asyncio.create_task(self._drain(self._departure), name="drain")

    async def _drain(self, departure: Departure) -> None:
        """Whoever is sent away is a part of its trace."""
        with trace.start_as_current_span("node.drain", attributes={"rillcast.kind": self._kind}) as span:
            await self._drained(departure)
            if any(departure.cut.values()):
                span.set_status(StatusCode.ERROR, "cut")

    async def _drained(self, departure: Departure) -> None:
        try:
            await self._tell()
            await self._leave(departure)
            await self._cut(departure)
            self._ended(departure)
            await self._tell()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("A drain failed")
            self.phase = DrainPhase.CUT
        finally:
            if self.phase is not DrainPhase.DRAINING:
                self._over.set()

    async def _leave(self, departure: Departure) -> None:
        """All parts at once, for as long as there is time. One that fails is logged, and disturbs none of the
        others."""
        leaving = {asyncio.ensure_future(part.leave(departure)) for part in self._parts}
        late = set(leaving)
        try:
            while late:
                departure.changed.clear()
                news = asyncio.ensure_future(departure.changed.wait())
                try:
                    await asyncio.wait({*late, news}, timeout=departure.left_s, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()
                late = {part for part in late if not part.done()}
                if departure.left_s <= 0:
                    break
        finally:
            if late:
                self._ending = asyncio.ensure_future(cancelled(*late, again_s=CANCEL_AGAIN_S / 2.5))
                await asyncio.wait((self._ending,), timeout=CANCEL_AGAIN_S)
        if late:
            log.warning("Draining took too long and was cut short", after_s=round(departure.deadline_s, 3))
        for part in leaving:
            if part.done() and not part.cancelled() and (error := part.exception()) is not None:
                log.exception("A drain hook failed", raised=error)

    async def _cut(self, departure: Departure) -> None:
        for part in self._parts:
            for what, name in part.named():
                departure.was_cut(what, name)
        if any(self._left().values()):
            with suppress(TimeoutError):
                async with asyncio.timeout(CUT_S):
                    for part in self._parts:
                        await part.cut()
        for what, count in departure.cut.items():
            metrics.DRAIN_CUT.labels(what).inc(count)

    def _ended(self, departure: Departure) -> None:
        cut = {what.value: count for what, count in departure.cut.items() if count}
        self.phase = DrainPhase.CUT if cut else DrainPhase.DRAINED
        metrics.DRAINS.labels(self.phase).inc()
        if cut:
            log.warning("Drained, but some were cut off", **cut, who=", ".join(departure.names))
        else:
            moved = {what.value: count for what, count in self._began.items() if count}
            log.info("Drained", after_s=round(departure.deadline_s - departure.left_s, 3), **moved)
