"""A node that watches others, with everything around it made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport, NodeVouched
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.lifeline import Ended
from rillcast.runtime.discovery.node_watch import NodeWatch
from rillcast.runtime.discovery.questions import CannotAsk
from rillcast.runtime.discovery.suspicion import QUESTION_S, AdminSays, BusSays

EDGE = NodeId("edge-1")
KINDS = (NodeKind.EDGE, NodeKind.ORIGIN)


class Line:
    """The lifeline to a node; the test ends it."""

    def __init__(self, info: NodeInfo) -> None:
        self.info = info
        self.held = False
        self.fresh = False
        self.closed = False
        self.ending: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.opens = True

    async def hold(self, on_held: Callable[[], None]) -> Ended:
        if not self.opens:
            return Ended.REFUSED
        self.held = self.fresh = True
        on_held()
        try:
            return await self.ending
        finally:
            self.held = self.fresh = False
            self.closed = True


class Site:
    """One watch over nodes that beat, answer and die as the test says."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hears = True
        self.directory = NodeDirectory(clock=self.loop.time, hearing=lambda: int(self.hears))
        self.gone: list[str] = []
        self.directory.on_gone(lambda last: self.gone.append(last.info.incarnation))
        self.bus = BusSays.ANSWERED
        self.admin = AdminSays.SAME
        self.took_s = 0.01
        self.cannot_ask = False
        self.answered: tuple[BusSays, AdminSays] | None = None
        self.asked = 0
        self.most_asked_at_once = 0
        self._asking = 0
        self.lines: list[Line] = []
        self.lines_open = True
        self.beating = True
        self.vouching: str | None = None
        """For which incarnation somebody vouches when he is asked."""
        self.missing: str | None = None
        """For which incarnation somebody says that he hears it no longer."""
        self.others_asked = 0
        self.watch = NodeWatch(
            self.directory,
            self,
            kinds=KINDS,
            most=100,
            ask_others=self._ask_others,
            clock=self.loop.time,
            lifeline=self._lifeline,
        )
        self.directory.watched_by(self.watch)

    def answer_is_under_way(self) -> None:
        """The question that is asked now has been answered already."""
        self.answered = self.bus, self.admin

    async def ask_both(self, info: NodeInfo) -> tuple[BusSays, AdminSays]:
        self.asked += 1
        self._asking += 1
        self.most_asked_at_once = max(self.most_asked_at_once, self._asking)
        try:
            await asyncio.sleep(self.took_s)
        finally:
            self._asking -= 1
        if self.cannot_ask:
            raise CannotAsk("the bus is down")
        answered, self.answered = self.answered, None
        return answered or (self.bus, self.admin)

    async def _ask_others(self, info: NodeInfo) -> None:
        self.others_asked += 1
        if self.vouching is not None:
            self.vouch(self.vouching)
        if self.missing is not None:
            self.vouch(self.missing, hears=False)

    def vouch(self, incarnation: str, *, hears: bool = True, by: str = "edge-9") -> None:
        self.watch.vouched(NodeVouched(node=EDGE, incarnation=incarnation, by=NodeId(by), hears=hears))

    def _lifeline(self, info: NodeInfo) -> Line:
        line = Line(info)
        line.opens = self.lines_open
        self.lines.append(line)
        return line

    def beat(self, node: str = EDGE, *, kind: NodeKind = NodeKind.EDGE, incarnation: str = "1") -> None:
        info = NodeInfo(node=NodeId(node), kind=kind, version="0", admin_address="x:1", incarnation=incarnation)
        self.directory.heard(NodeReport(info=info, load=NodeLoad(), ready=True))

    async def keep_beating(self) -> None:
        while True:
            if self.beating:
                self.beat()
            await asyncio.sleep(1.0)

    def dies(self) -> None:
        """As when a process is killed: its kernel closes what it had, and refuses whoever comes."""
        self.beating = False
        self.bus, self.admin = BusSays.NOBODY, AdminSays.REFUSED
        self.lines_open = False
        self.break_line()

    def break_line(self, how: Ended = Ended.LOST) -> None:
        if not self.lines[-1].ending.done():
            self.lines[-1].ending.set_result(how)

    def answers(self, bus: BusSays, admin: AdminSays) -> None:
        """As when it beats no more, and is asked."""
        self.beating = False
        self.bus, self.admin = bus, admin
        self.took_s = QUESTION_S
