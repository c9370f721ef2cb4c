"""Two edges that know each other, and viewers who move from one to the other."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from edge_harness import EDGE, World
from test_viewer_join import answer_to

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import FormerSession, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, NodeKind, SessionState
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SendTrack
from rillcast.testing.associations import AssociatingPlane, KnownNodes, Packet
from rillcast.testing.bus import FakeBroker

NAMES = (EDGE, NodeId("edge-2"), NodeId("edge-3"))


class At(World):
    """One of the edges, with a plane that knows associations."""

    def __init__(self, node: NodeId, broker: FakeBroker, known: KnownNodes, **settings: Any) -> None:
        self.links = AssociatingPlane()
        self.links.certificate = ":".join([f"0{node[-1]}"] * 32)
        super().__init__(plane=self.links, node=node, broker=broker, known=known, **settings)

    def number(self, session: SessionId) -> PlaneSession:
        viewer = self.edge.viewers.session(session)
        assert viewer is not None
        return viewer.plane_session

    async def watched(self, **changes: Any) -> SessionAnswer:
        """A viewer by our offer who is connected."""
        answer = await self.play(**changes)
        await self.accept(answer.session, answer_to(answer.sdp))
        self.links.shake_hands(self.number(answer.session))
        self.plane.emit(protocol.SessionMedia(session=self.number(answer.session)))
        self.links.send()
        return answer

    async def sent_away(self, session: SessionId) -> SessionChanged:
        """What signaling hears when this edge drains."""
        viewer = self.edge.viewers.session(session)
        assert viewer is not None
        self.edge.session_end.send_away(viewer, EndReason.DRAINING)
        await self.settle()
        told = [c for c in self.changes if c.session == session and c.state is SessionState.CLOSED]
        return told[-1]

    async def moved_in(self, left: SessionChanged, **changes: Any) -> SessionAnswer:
        """The viewer is offered this edge, as signaling has it done."""
        former = None
        if left.association:
            former = FormerSession(node=left.node, session=left.session, association=left.association)
        return await self.play(sdp_offered=left.sdp_offered, former=former, **changes)

    def reached(self, session: SessionId) -> int:
        """How often signaling heard that the second offer is due."""
        return sum(change.reached for change in self.changes if change.session == session)

    def sends(self, session: SessionId) -> tuple[SendTrack, ...]:
        """The tracks with which the session began in the plane."""
        return next(command.send for command in self.added() if command.session == self.number(session))


class Edges:
    """Three edges with one stream."""

    def __init__(self) -> None:
        broker, self.known = FakeBroker(), KnownNodes()
        self.old, self.new, self.third = (At(node, broker, self.known, drain_timeout_s=5.0) for node in NAMES)
        self.all = (self.old, self.new, self.third)

    async def __aenter__(self) -> Edges:
        await self.old.parent("origin-1")
        for edge in self.all:
            await edge.start()
            await edge.live()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for edge in self.all:
            await edge.stop()

    def packets(self) -> list[Packet]:
        """All that both have sent under any key."""
        return [packet for edge in self.all for packet in edge.links.packets]

    async def settle(self) -> None:
        for edge in self.all:
            await edge.settle()

    async def gone(self, node: NodeId) -> None:
        """A node dies: nothing is heard of it, and nobody is told."""
        edge = next(edge for edge in self.all if edge.node == node)
        edge.edge_bus.connected = False
        assert self.known.reports[node].info.kind is NodeKind.EDGE
