"""`ports.MediaNodes` on the bus."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
    DescribeRequest,
    DrainProgress,
    DrainRequest,
    LookAnswer,
    LookRequest,
    MuteRequest,
    PlayRequest,
    PublishRequest,
    ReofferRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
    SessionAnswer,
    TurnAwayRequest,
)
from rillcast.contracts.words import EndReason, MediaKind, NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.errors import Unanswered
from rillcast.runtime.ports import Answer, Bus

ASK_TIMEOUT_S = 3.0
LOOK_TIMEOUT_S = 1.0
CLOSE_FIRST_S = 0.4
"""How long a node may take to end a session before it is asked again, which changes nothing for one that is slow."""


class BusMediaNodes:
    """One request each. See the port."""

    def __init__(self, own: NodeId, bus: Bus, directory: NodeDirectory) -> None:
        """`own`: this instance."""
        self._own = own
        self._bus = bus
        self._directory = directory

    async def publish(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        """Open a publisher's session at an origin."""
        return await self._ask(node, subjects.origin_publish(node), request, SessionAnswer, timeout_s)

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        """Open a viewer's session at an edge."""
        return await self._ask(node, subjects.edge_play(node), request, SessionAnswer, timeout_s)

    async def accept(self, session: SessionId, node: NodeId, sdp_answer: str, timeout_s: float) -> None:
        """Hand a viewer's answer to its edge."""
        request = AnswerRequest(session=session, sdp_answer=sdp_answer)
        await self._ask(node, subjects.edge_accept(node), request, Ack, timeout_s)

    async def move_in(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        """Open a session at an origin in which a publisher goes on."""
        return await self._ask(node, subjects.origin_move_in(node), request, SessionAnswer, timeout_s)

    async def accept_move(self, session: SessionId, node: NodeId, sdp_answer: str) -> None:
        """Hand a publisher's answer to the origin that it moves to."""
        request = AnswerRequest(session=session, sdp_answer=sdp_answer)
        await self._ask(node, subjects.origin_accept(node), request, Ack)

    async def select(self, session: SessionId, node: NodeId, height: int) -> None:
        """Force a viewer's rendition."""
        await self._ask(node, subjects.edge_select(node), SelectRendition(session=session, height=height), Ack)

    async def mute(self, session: SessionId, node: NodeId, kind: MediaKind, enabled: bool) -> None:
        """Stop or resume one kind for a viewer."""
        request = MuteRequest(session=session, kind=kind, enabled=enabled)
        await self._ask(node, subjects.session_mute(node), request, Ack)

    async def describe(self, session: SessionId, node: NodeId, name: str, meta_data: str) -> None:
        """Tell an origin what a publisher says of its stream now."""
        request = DescribeRequest(session=session, name=name, meta_data=meta_data)
        await self._ask(node, subjects.origin_describe(node), request, Ack)

    async def restart_ice(self, session: SessionId, node: NodeId, ufrag: str, pwd: str) -> RestartIceAnswer:
        """New ICE credentials for both sides."""
        request = RestartIceRequest(session=session, remote_ufrag=ufrag, remote_pwd=pwd)
        return await self._ask(node, subjects.session_restart_ice(self._kind(node), node), request, RestartIceAnswer)

    async def reoffer(self, session: SessionId, node: NodeId, sdp_offer: str) -> SessionAnswer:
        """Hand a publisher's next offer to its origin."""
        request = ReofferRequest(session=session, sdp_offer=sdp_offer)
        return await self._ask(node, subjects.origin_reoffer(node), request, SessionAnswer)

    async def close(
        self,
        session: SessionId,
        node: NodeId,
        reason: EndReason,
        keep_stream_s: float = 0.0,
        *,
        forgotten: bool = False,
    ) -> bool:
        """Ask the node to end a session. Raises `RillcastError` when it does not answer.

        It is asked twice: of a node that has just died the bus may not know it, and the first request goes nowhere."""
        request = CloseRequest(
            session=session,
            reason=reason,
            keep_stream_s=keep_stream_s,
            forgotten_by=self._own if forgotten else None,
        )
        subject = subjects.session_close(self._kind(node), node)
        with suppress(Unanswered):
            return (await self._ask(node, subject, request, CloseAnswer, CLOSE_FIRST_S)).found
        return (await self._ask(node, subject, request, CloseAnswer, ASK_TIMEOUT_S - CLOSE_FIRST_S)).found

    async def look(self, node: NodeId, request: LookRequest) -> LookAnswer:
        """Ask an edge about a stream, for people. One that does not answer may be of a version that has no answer."""
        return await self._bus.request(subjects.edge_look(node), request, LookAnswer, timeout_s=LOOK_TIMEOUT_S)

    async def drain(self, node: NodeId, request: DrainRequest) -> DrainProgress:
        """Ask a node to drain, or about it."""
        return await self._ask(node, subjects.node_drain(self._kind(node), node), request, DrainProgress)

    async def _ask(
        self,
        node: NodeId,
        subject: str,
        request: msgspec.Struct,
        answer: type[Answer],
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> Answer:
        """A node that does not answer is looked at: it may be dead."""
        try:
            return await self._bus.request(subject, request, answer, timeout_s=timeout_s)
        except Unanswered:
            self._directory.doubt(node)
            raise

    async def turn_away(self, node: NodeId, app: AppName, stream: StreamId) -> bool:
        """Have an origin send those away who want a stream and have not got it yet."""
        request = TurnAwayRequest(app=app, stream=stream)
        return (await self._ask(node, subjects.origin_turn_away(node), request, CloseAnswer)).found

    def _kind(self, node: NodeId) -> NodeKind:
        report = self._directory.get(node)
        if report is None:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"the node {node} is not there")
        return report.info.kind
