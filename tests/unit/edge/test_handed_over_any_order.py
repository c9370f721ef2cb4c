"""Whatever viewers, edges and the bus do while associations go from edge to edge, and in whatever order: no packet's
nonce is used twice, every session ends once, and nothing is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_viewer_join import answer_to
from two_edges import At, Edges

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import SessionId, new_session_id
from rillcast.contracts.messages import FormerSession, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession
from rillcast.testing.clock import VirtualTimeLoop


class Life:
    """Three edges, and viewers who are sent from one to the other."""

    def __init__(self, edges: Edges) -> None:
        self.edges = edges
        self.asked: list[tuple[At, SessionId]] = []
        self.answers: list[tuple[At, SessionAnswer]] = []
        self.under_way: list[asyncio.Task[None]] = []

    def at(self, which: int) -> At:
        return self.edges.all[which % 3]

    async def watch(self, which: int) -> None:
        self._ask(self._play(self.at(which), None))

    async def send_away(self, which: int) -> None:
        edge = self.at(which)
        viewers = list(edge.edge.viewers)
        if viewers:
            edge.edge.session_end.send_away(viewers[which // 3 % len(viewers)], EndReason.DRAINING)

    async def move(self, which: int) -> None:
        """Signaling asks an edge, of one and the same viewer perhaps several."""
        left = [change for change in self.edges.old.changes if change.sdp_offered]
        if left:
            self._ask(self._play(self.at(which), left[which // 3 % len(left)]))

    async def moving(self, which: int) -> None:
        """A viewer of one edge is answered by another one, or by both others; all that is left is its choice."""
        old = self.at(which)
        if self._is_well(old):
            first = await old.watched(session=self._new(old))
            left = await old.sent_away(first.session)
            for edge in self.edges.all:
                if edge is not old and (which > 11 or edge is self.at(which + 1)) and self._is_well(edge):
                    answer = await edge.moved_in(left, session=self._new(edge))
                    await edge.accept(answer.session, answer_to(answer.sdp))

    def _is_well(self, edge: At) -> bool:
        return edge.edge_bus.connected and not edge.links.deaf

    def _new(self, edge: At) -> SessionId:
        session = new_session_id()
        self.asked.append((edge, session))
        return session

    async def answer(self, which: int) -> None:
        if self.answers:
            edge, answer = self.answers[which % len(self.answers)]
            self._ask(edge.accept(answer.session, answer_to(answer.sdp)))

    async def nominate(self, which: int) -> None:
        if (found := self._living(which)) is not None:
            edge, number = found
            edge.links.nominate(number)

    async def shake(self, which: int) -> None:
        """The client and this edge are done with their handshake, if there is one."""
        if (found := self._living(which)) is not None:
            edge, number = found
            if edge.links.living[number].srtp is None:
                edge.links.shake_hands(number)

    async def send(self, which: int) -> None:
        for edge in self.edges.all:
            edge.links.send()

    async def close(self, which: int) -> None:
        if self.asked:
            edge, session = self.asked[which % len(self.asked)]
            self._ask(self._close(edge, session))

    async def die(self, which: int) -> None:
        if (found := self._living(which)) is not None:
            edge, number = found
            del edge.links.living[number]
            edge.plane.emit(
                protocol.SessionClosed(session=number, reason=protocol.CloseReason.CONSENT_EXPIRED)
                if which % 2
                else protocol.Error(command="add_session", id=number, message="no")
            )

    async def deaf(self, which: int) -> None:
        edge = self.at(which)
        edge.links.deaf = not edge.links.deaf

    async def cut_off(self, which: int) -> None:
        edge = self.at(which)
        edge.edge_bus.connected = not edge.edge_bus.connected

    async def wait(self, which: int) -> None:
        await asyncio.sleep((0.01, 0.2, 0.4)[which % 3])

    async def end(self) -> None:
        for edge in self.edges.all:
            edge.edge_bus.connected = True
            edge.links.deaf = False
        await self.send(0)
        await asyncio.sleep(2.0)
        for edge, session in self.asked:
            await self._close(edge, session)
        await asyncio.gather(*self.under_way, return_exceptions=True)
        for edge, session in self.asked:
            await self._close(edge, session)
        for edge in self.edges.all:
            await edge.media.tasks.settle()

    async def _play(self, edge: At, left: SessionChanged | None) -> None:
        session, former = self._new(edge), None
        if left is not None and left.association:
            former = FormerSession(node=left.node, session=left.session, association=left.association)
        sdp = left.sdp_offered if left is not None else ""
        answer = await edge.play(session=session, sdp_offered=sdp, former=former)
        self.answers.append((edge, answer))

    async def _close(self, edge: At, session: SessionId) -> None:
        await edge.close(session)

    def _living(self, which: int) -> tuple[At, PlaneSession] | None:
        found = [(edge, number) for edge in self.edges.all for number in sorted(edge.links.living)]
        return found[which % len(found)] if found else None

    def _ask(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except RillcastError as refusal:
                assert "internal error" not in refusal.message

        self.under_way.append(asyncio.create_task(run()))


OFTEN = ("moving", "moving", "nominate", "nominate", "send", "send", "wait")
EACH = ("watch", "answer", "send_away", "move", "shake", "close", "die", "deaf", "cut_off")
STEP = st.tuples(st.sampled_from((*OFTEN, *EACH)), st.integers(0, 23))
WATCHED = [("watch", 0), ("wait", 0), ("answer", 0), ("wait", 0), ("shake", 0), ("send", 0), ("send_away", 0)]
MOVED = [("wait", 1), ("move", 1), ("wait", 1), ("answer", 1), ("send", 0), ("wait", 1)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=5, max_size=40))
@example([*WATCHED, *MOVED, ("nominate", 1), ("wait", 1), ("send", 0)])
@example([*WATCHED, *MOVED, ("deaf", 0), ("nominate", 1), ("send", 0), ("wait", 2), ("shake", 1), ("send", 0)])
@example([*WATCHED, *MOVED, ("cut_off", 0), ("nominate", 1), ("send", 0), ("wait", 2), ("cut_off", 0), ("send", 0)])
def test_no_nonce_is_used_twice_and_nothing_is_left(steps: list[tuple[str, int]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_live_through(steps))


async def _live_through(steps: list[tuple[str, int]]) -> None:
    async with Edges() as edges:
        life = Life(edges)
        for what, which in steps:
            act: Callable[[int], Awaitable[None]] = getattr(life, what)
            await act(which)
            await edges.settle()
        await life.end()
        await edges.settle()
        for task in life.under_way:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        _check(edges)


def _check(edges: Edges) -> None:
    assert [packet for packet, times in Counter(edges.packets()).items() if times > 1] == []
    ends = Counter(change.session for change in edges.old.changes if change.state is SessionState.CLOSED)
    assert set(ends.values()) <= {1}
    for edge in edges.all:
        associations = edge.edge.associations
        assert (len(edge.edge.viewers), edge.links.living) == (0, {})
        assert (len(associations.giver), associations.giver._exports) == (0, {})
        assert edge.media.load.sessions == 0
