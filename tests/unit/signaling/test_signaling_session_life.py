"""Whatever clients, nodes and time do, in any order: what was opened is forgotten once, and in the end nothing is left.

The machine plays the client, the nodes and the clock against one socket's conversation, and keeps its own books of what
a node still has and what is still to be answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot
from tests.unit.signaling.session_books import Books
from tests.unit.signaling.talk import Talk

MOST = 2
"""Sessions of the socket, and streams it does not play for which wishes are kept."""
STREAMS = st.sampled_from(["s1", "s2", "not-live", "nor-this", "nor-that"])
"""The first two are live."""
PEERS = st.sampled_from(["v=0", "v=0\r\na=fingerprint:sha-256 AA", "v=0\r\na=fingerprint:sha-256 BB"])
"""Descriptions of a client's peer connections."""
NODES = st.sampled_from([NodeId("n1"), NodeId("n2")])
CODES = st.sampled_from([ErrorCode.HIGH_RESOURCE_USAGE, ErrorCode.NO_STREAM_EXIST, ErrorCode.NO_NODE_AVAILABLE])
REASONS = st.just(EndReason.DRAINING) | st.sampled_from(EndReason)


class SessionLife(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.talk = Talk(max_streams=MOST)
        self.talk.asks = True
        self.books = Books()
        self.now = 0.0
        self.open = True

    def one_of(self, data: st.DataObject, sessions: set[SessionId]) -> SessionId:
        return data.draw(st.sampled_from([session for session in self.books.seen if session in sessions]))

    def client(self, command: str, **fields: Any) -> None:
        self.now += 0.1
        self.books.take(self.talk.send(command, self.now, **fields))

    def let_in(self, session: SessionId, *, held: bool = False) -> None:
        if session not in self.books.admitting:
            return  # it goes on with the right of the one that it replaces
        self.books.admitting.discard(session)
        if held:
            self.books.held.add(session)
        self.books.take(self.talk.admitted(session, held=held))

    def opens(self, session: SessionId, node: NodeId) -> None:
        if session in self.books.asked:
            self.books.asked.remove(session)
            self.books.at_node[session] = node
            answer = SessionAnswer(session=session, node=node, sdp="v=0", sdp_then="v=0 then")
            self.books.take(self.talk.conversation.sessions.opened(answer))

    def event(self, session: SessionId, **fields: Any) -> None:
        node = self.books.at_node.get(session, NodeId("n1"))
        slot = self.talk.conversation._slots.session(session)
        if fields.get("state") is SessionState.MEDIA and slot is not None and slot.moves_from is not None:
            self.books.at_node.pop(slot.moves_from.session, None)  # the claim of the new origin ended it
        event = SessionChanged(session=session, node=node, **fields)
        self.books.take(self.talk.conversation.sessions.changed(event, self.now))

    # ---- the client

    @precondition(lambda self: self.open)
    @rule(
        command=st.sampled_from(["play", "publish", "stop", "toggleVideo", "forceStreamQuality"]),
        stream=STREAMS,
        height=st.sampled_from([0, 360]),
        enabled=st.booleans(),
    )
    def says(self, command: str, stream: str, height: int, enabled: bool) -> None:
        self.client(command, streamId=stream, streamHeight=height, enabled=enabled)

    @precondition(lambda self: self.open)
    @rule(kind=st.sampled_from(["offer", "answer"]), stream=STREAMS, sdp=PEERS)
    def describes(self, kind: str, stream: str, sdp: str = "v=0") -> None:
        self.client("takeConfiguration", streamId=stream, type=kind, sdp=sdp)

    @precondition(lambda self: self.open)
    @rule(
        role=st.sampled_from(Role),
        stream=STREAMS,
        later_s=st.sampled_from([0.0, 3.0]),
        token=st.sampled_from(["", "a"]),
    )
    def begins_anew(self, role: Role, stream: str, later_s: float, token: str) -> None:
        """Without `stop`, as after a lost network."""
        self.now += later_s
        self.client(role.value, streamId=stream, token=token)

    @precondition(lambda self: self.open)
    @rule(
        role=st.sampled_from(Role), stream=STREAMS, steps=st.integers(1, 5), node=NODES, sdp=PEERS, held=st.booleans()
    )
    def joins(self, role: Role, stream: str, steps: int, node: NodeId, *, sdp: str, held: bool) -> None:
        """So far along the way of a join where nothing goes wrong. What is out of place on it changes nothing."""
        known = len(self.books.seen)
        self.client(role.value, streamId=stream)
        if len(self.books.seen) == known:
            return
        session = self.books.seen[known]
        way: list[Callable[[], None]] = [lambda: self.let_in(session, held=held)]
        if role is Role.PUBLISH:
            way += [lambda: self.describes("offer", stream, sdp), lambda: self.opens(session, node)]
        else:
            way += [lambda: self.opens(session, node), lambda: self.describes("answer", stream, sdp)]
        way.append(lambda: self.event(session, state=SessionState.MEDIA))
        for step in way[:steps]:
            step()

    @precondition(lambda self: self.open and self.running())
    @rule(data=st.data(), opens=st.booleans(), answers=st.booleans(), node=NODES, sdp=PEERS)
    def one_that_runs_begins_anew(
        self, data: st.DataObject, opens: bool, answers: bool, node: NodeId, sdp: str
    ) -> None:
        slot, known = data.draw(st.sampled_from(self.running())), len(self.books.seen)
        self.now += 3.0
        self.client(slot.role.value, streamId=slot.stream, token=slot.credentials.token)
        if slot.role is Role.PUBLISH:
            self.describes("offer", slot.stream, sdp)
        if opens:
            for session in self.books.seen[known:]:
                self.opens(session, node)
        if slot.role is Role.PLAY and answers:
            self.describes("answer", slot.stream, sdp)

    def running(self) -> list[Slot]:
        return [slot for slot in self.talk.conversation._slots.all() if slot.phase is Phase.RUNNING]

    @precondition(lambda self: self.open and len(self.books.seen) > 4)
    @rule(stays=st.booleans())
    def goes(self, stays: bool) -> None:
        self.open = False
        self.books.take(self.talk.conversation.closed(sessions_stay=stays), sessions_stay=stays)

    # ---- whoever is asked

    @precondition(lambda self: self.books.admitting)
    @rule(data=st.data())
    def it_may(self, data: st.DataObject) -> None:
        self.let_in(self.one_of(data, self.books.admitting))

    @precondition(lambda self: self.books.admitting)
    @rule(data=st.data())
    def it_may_not(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.admitting)
        self.books.admitting.remove(session)
        error = RillcastError(ErrorCode.UNAUTHORIZED, "no")
        self.books.take(self.talk.conversation.entrance.denied(session, error))

    @precondition(lambda self: self.books.settled)
    @rule(data=st.data())
    def a_late_answer_changes_nothing(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.settled)
        assert self.talk.admitted(session) == []
        assert self.talk.conversation.entrance.denied(session, RillcastError(ErrorCode.UNAUTHORIZED, "no")) == []

    # ---- the nodes

    @precondition(lambda self: self.books.asked)
    @rule(data=st.data(), node=NODES)
    def a_node_opens(self, data: st.DataObject, node: NodeId) -> None:
        self.opens(self.one_of(data, self.books.asked), node)

    @precondition(lambda self: self.books.asked)
    @rule(data=st.data(), code=CODES)
    def no_node_opens(self, data: st.DataObject, code: ErrorCode) -> None:
        session = self.one_of(data, self.books.asked)
        self.books.asked.remove(session)
        self.books.take(self.talk.conversation.sessions.refused(session, RillcastError(code, "no")))

    @precondition(lambda self: self.books.accepting)
    @rule(data=st.data())
    def an_answer_is_refused(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.accepting)
        self.books.accepting.remove(session)
        error = RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "no answer")
        self.books.take(self.talk.conversation.sessions.answer_refused(session, error))

    @precondition(lambda self: self.books.receivers)
    @rule(data=st.data(), state=st.sampled_from([SessionState.CONNECTED, SessionState.MEDIA, None]))
    def a_session_goes_on(self, data: st.DataObject, state: SessionState | None) -> None:
        session = self.one_of(data, self.books.receivers)
        self.event(session, state=state, stream_height=360)

    @precondition(lambda self: self.books.receivers)
    @rule(data=st.data(), reason=REASONS)
    def a_node_ends_a_session(self, data: st.DataObject, reason: EndReason) -> None:
        session = self.one_of(data, self.books.receivers)
        if session not in self.books.asked:
            self.books.at_node.pop(session, None)
        self.event(session, state=SessionState.CLOSED, reason=reason)

    @rule(node=NODES)
    def a_node_dies(self, node: NodeId) -> None:
        for session in [session for session, at in self.books.at_node.items() if at == node]:
            del self.books.at_node[session]
        self.books.take(self.talk.conversation.sessions.node_gone(node, self.now))

    @precondition(lambda self: self.books.forgotten)
    @rule(data=st.data())
    def something_late_comes(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.forgotten)
        self.event(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

    # ---- time and the stream

    @precondition(lambda self: self.books.expiries)
    @rule(data=st.data())
    def time_is_over(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.expiries)
        self.books.expiries.remove(session)
        self.books.take(self.talk.conversation.sessions.expired(session))

    @precondition(lambda self: self.books.agains)
    @rule(data=st.data())
    def an_origin_is_looked_for_again(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.agains)
        self.books.agains.remove(session)
        self.books.take(self.talk.conversation.sessions.move_again(session, self.now))

    @precondition(lambda self: self.books.thens)
    @rule(data=st.data())
    def the_second_offer_is_due(self, data: st.DataObject) -> None:
        session = self.one_of(data, self.books.thens)
        self.books.thens.remove(session)
        self.books.take(self.talk.conversation.sessions.offer_then(session))

    @precondition(lambda self: self.books.waiting)
    @rule(data=st.data())
    def a_stream_goes_live(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(self.books.waiting)))
        self.books.take(self.talk.conversation.stream_live(stream))

    # ---- what must hold

    @invariant()
    def offers_are_kept_for_sessions_that_are_not_over(self) -> None:
        if hasattr(self, "books"):
            kept = self.talk.conversation._slots.kept
            assert kept.size == sum(one.size for one in kept._kept.values())
            assert all(self.talk.conversation._slots.session(session) for session in kept)

    @invariant()
    def a_publisher_moves_in_one_session_at_a_time(self) -> None:
        if hasattr(self, "books"):
            slots = self.talk.conversation._slots
            for slot in slots.all():
                assert slot.successor is None or slot.successor.moves_from is slot
                assert slot.moves_from is None

    @invariant()
    def a_viewer_begins_anew_in_one_session_at_a_time(self) -> None:
        if hasattr(self, "books"):
            for slot in self.talk.conversation._slots.all():
                assert slot.challenges is None
                assert slot.challenger is None or slot.phase is Phase.RUNNING
                assert slot.challenger is None or slot.challenger.challenges is slot

    @invariant()
    def nothing_runs_at_a_node_that_nobody_here_knows(self) -> None:
        if hasattr(self, "books"):
            assert self.books.at_node.keys() <= self.books.receivers

    @invariant()
    def the_wishes_of_the_client_are_bounded(self) -> None:
        if hasattr(self, "books"):
            assert len(self.talk.conversation.wishes) <= MOST + MOST, "for streams that are played, and for others"

    def teardown(self) -> None:
        if not hasattr(self, "books"):
            return
        if self.open:
            self.goes(stays=False)
        for session in sorted(self.books.asked):
            self.books.at_node[session] = NodeId("n1")
            self.books.asked.remove(session)
            answer = SessionAnswer(session=session, node=NodeId("n1"), sdp="v=0")
            self.books.take(self.talk.conversation.sessions.opened(answer))
        assert not self.books.receivers
        assert not self.books.held
        assert not self.books.at_node
        assert not self.books.waiting
        assert not self.books.admitting
        assert self.talk.conversation.idle
        assert not len(self.talk.conversation._slots.kept)


SessionLife.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestSessionLife = SessionLife.TestCase
