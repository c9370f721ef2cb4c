"""Carries out what one socket's conversation decides, and brings back what comes of it. Knows no WebSocket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import Role, SessionState
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.admission_rules import Admitted, Applicant
from services.signaling.core.domain.identity import Client
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.effects import (
    Accept,
    Admit,
    AskAbout,
    AskAgain,
    Describe,
    Effect,
    End,
    ExpireLater,
    FirstFrame,
    Forget,
    GiveUp,
    LeaveBehind,
    MoveAgain,
    Moved,
    MovePublisher,
    Mute,
    OfferThen,
    OpenPublisher,
    OpenViewer,
    Reoffer,
    Select,
    Send,
    StopWaiting,
    Wait,
)
from services.signaling.websocket.domain.wanted_joins import publisher_join, viewer_join
from services.signaling.websocket.usecases.socket_services import SocketServices

log = get_logger(__name__)

MAX_IN_FLIGHT = 64
"""Requests to the cluster on behalf of one socket at one time."""


class SocketSessions:
    """Of one socket. Goes on after the socket is gone, until every request under way was answered."""

    def __init__(
        self, number: int, app: AppName, client: Client, services: SocketServices, send: Callable[[str], None]
    ) -> None:
        """`number`: names the socket in this process. `send`: takes a frame for the client; must not block."""
        self._number = number
        self._app = app
        self._client = client
        self._services = services
        self._send = send
        self._conversation: Conversation = services.conversation(app, client)
        self._admitting: dict[SessionId, asyncio.Task[None]] = {}
        self._opening: dict[SessionId, asyncio.Event] = {}
        self._in_flight = 0
        services.waiting_room.enter(number, self._tell_live, client.counted_as)

    # ---- what happens

    def receive(self, text: str) -> None:
        """A text frame from the client. Called for each, in their order."""
        self._carry_out(self._conversation.receive(text, _now()))

    def close(self, *, sessions_stay: bool) -> None:
        """The socket is gone. `sessions_stay`: see `Conversation.closed`."""
        self._carry_out(self._conversation.closed(sessions_stay=sessions_stay))
        self._services.waiting_room.leave(self._number)

    @property
    def idle(self) -> bool:
        """Whether nothing is left here of a socket that is gone: no session, and no request under way."""
        return self._conversation.idle and not self._admitting and not self._opening and not self._in_flight

    @property
    def sessionless(self) -> bool:
        """The same of a socket that perhaps waits for streams."""
        return self._conversation.sessionless and not self._admitting and not self._opening and not self._in_flight

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is at that node."""
        return self._conversation.uses(node)

    def node_gone(self, node: NodeId, since: float) -> None:
        """The node died or left: move what was there. `since`: when that was known."""
        self._carry_out(self._conversation.sessions.node_gone(node, _now(), since))

    def _changed(self, event: SessionChanged) -> None:
        if event.state in (SessionState.CONNECTED, SessionState.MEDIA):
            self._services.joins.connected(event.session)
        with self._services.joins.traces.within(event.session):
            self._carry_out(self._conversation.sessions.changed(event, _now()))

    def _tell_live(self, stream: StreamId) -> None:
        self._carry_out(self._conversation.stream_live(stream))

    def _offer_then(self, session: SessionId) -> None:
        self._carry_out(self._conversation.sessions.offer_then(session))

    def _move_again(self, session: SessionId) -> None:
        self._carry_out(self._conversation.sessions.move_again(session, _now()))

    def _ask_again(self, number: int) -> None:
        self._carry_out(self._conversation.ask_again(number))

    def _expire(self, session: SessionId) -> None:
        self._carry_out(self._conversation.sessions.expired(session))

    # ---- carrying out

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out_one(effect)

    def _end(self, effect: End | LeaveBehind) -> None:
        joins = self._services.joins
        if isinstance(effect, LeaveBehind):
            joins.leave_behind(effect.session, effect.node)
        else:
            joins.end(effect.session, effect.node, effect.reason, effect.keep_stream_s)

    def _carry_out_one(self, effect: Effect) -> None:
        services = self._services
        match effect:
            case Send(frame):
                self._send(frame)
            case Admit():
                self._admit(effect)
            case AskAbout():
                self._ask_about(effect)
            case OpenPublisher() | OpenViewer() | MovePublisher():
                self._open(effect)
            case GiveUp(session):
                self._give_up(session)
            case Accept() | Reoffer():
                self._hand_over(effect)
            case Select() | Mute() | Describe():
                self._wish(effect)
            case End() | LeaveBehind():
                self._end(effect)
            case Forget() | Moved() | FirstFrame():
                self._hand_on(effect)
            case Wait(stream):
                services.waiting_room.wait(self._number, self._app, stream)
            case StopWaiting(stream):
                services.waiting_room.stop(self._number, self._app, stream)
            case ExpireLater() | MoveAgain() | OfferThen() | AskAgain():
                self._later(effect)

    def _later(self, effect: ExpireLater | MoveAgain | OfferThen | AskAgain) -> None:
        """Those who found no room at the same moment do not come back at the same moment."""
        loop = asyncio.get_running_loop()
        if isinstance(effect, AskAgain):
            loop.call_later(effect.after_s, self._ask_again, effect.number)
        elif isinstance(effect, ExpireLater):
            loop.call_later(effect.after_s, self._expire, effect.session)
        elif isinstance(effect, OfferThen):
            loop.call_later(effect.after_s, self._offer_then, effect.session)
        else:
            loop.call_later(effect.after_s * random.uniform(0.5, 1.5), self._move_again, effect.session)

    def _hand_on(self, effect: Forget | Moved | FirstFrame) -> None:
        if isinstance(effect, FirstFrame):
            self._services.joins.traces.shown(effect.session, effect.after_s)
        elif isinstance(effect, Moved):
            self._services.joins.moved(effect.old, effect.new, effect.node, anew=effect.anew)
        else:
            self._services.events.forget(effect.session)
            self._services.joins.forget(effect.session)

    def _admit(self, effect: Admit) -> None:
        """In this very moment where nobody needs to be asked, so that frames are answered in their order."""
        applicant = Applicant(
            role=effect.role,
            app=self._app,
            stream=effect.stream,
            credentials=effect.credentials,
            client=self._client,
            session=effect.session,
            meta_data=effect.meta_data,
        )
        traces = self._services.joins.traces
        traces.begin(effect.session, effect.role, self._app, effect.stream, "websocket")
        try:
            admitted = self._services.admission.at_once(applicant)
        except RillcastError as error:
            self._denied(effect.session, error)
            return
        if admitted is not None:
            self._admitted(effect, admitted)
            return
        with traces.within(effect.session):
            task = self._start(
                self._await_admission(effect, applicant), lambda busy: self._denied(effect.session, busy)
            )
        if task is not None:
            self._admitting[effect.session] = task

    def _ask_about(self, effect: AskAbout) -> None:
        applicant = Applicant(
            role=Role.PLAY,
            app=self._app,
            stream=effect.question.stream,
            credentials=effect.credentials,
            client=self._client,
        )

        def refuse(error: RillcastError) -> None:
            self._carry_out(self._conversation.may_not_know(effect.question, error))

        try:
            admitted = self._services.admission.at_once(applicant)
        except RillcastError as error:
            refuse(error)
            return
        if admitted is not None:
            self._carry_out(self._conversation.may_know(effect.question))
            return
        self._start(self._await_right_to_know(effect, applicant, refuse), refuse)

    async def _await_right_to_know(
        self, effect: AskAbout, applicant: Applicant, refuse: Callable[[RillcastError], None]
    ) -> None:
        try:
            await self._services.admission.admit(applicant)
        except RillcastError as error:
            refuse(error)
        else:
            self._carry_out(self._conversation.may_know(effect.question))

    def _admitted(self, effect: Admit, admitted: Admitted) -> None:
        """A viewer for whom no session is asked for then waits, or is answered from memory: that is no join."""
        self._carry_out(self._conversation.entrance.admitted(effect.session, admitted))
        if effect.role is Role.PLAY and effect.session not in self._opening:
            self._services.joins.traces.drop(effect.session)

    async def _await_admission(self, effect: Admit, applicant: Applicant) -> None:
        session = effect.session
        try:
            admitted = await self._services.admission.admit(applicant)
        except RillcastError as error:
            self._denied(session, error)
        except Exception:
            self._denied(session, _our_fault())
            raise
        else:
            self._admitted(effect, admitted)
        finally:
            self._admitting.pop(session, None)

    def _denied(self, session: SessionId, error: RillcastError) -> None:
        self._services.joins.traces.refused(session, error.code.value)
        self._carry_out(self._conversation.entrance.denied(session, error))

    def _give_up(self, session: SessionId) -> None:
        if session in self._admitting:
            self._admitting.pop(session).cancel()
        if session in self._opening:
            self._opening[session].set()

    def _open(self, effect: OpenPublisher | OpenViewer | MovePublisher) -> None:
        """On the side: the answer is needed even when the socket is gone by then, to end the session again."""
        session = effect.session
        self._services.events.want(session, self._changed)
        left = self._opening[session] = asyncio.Event()
        with self._services.joins.traces.within(session):
            self._start(self._await_answer(effect, left), lambda busy: self._refused(session, busy))

    async def _await_answer(self, effect: OpenPublisher | OpenViewer | MovePublisher, left: asyncio.Event) -> None:
        session = effect.session
        try:
            answer = await self._ask_for(effect, left)
        except RillcastError as error:
            self._refused(session, error)
        except Exception:
            self._refused(session, _our_fault())
            raise
        else:
            del self._opening[session]
            self._carry_out(self._conversation.sessions.opened(answer))

    async def _ask_for(self, effect: OpenPublisher | OpenViewer | MovePublisher, left: asyncio.Event) -> SessionAnswer:
        joins = self._services.joins
        if not isinstance(effect, MovePublisher) and effect.anew:
            self._services.changes.check(self._client.counted_as)
        if not isinstance(effect, OpenViewer):
            ask = joins.publish if isinstance(effect, OpenPublisher) else joins.move
            return await ask(publisher_join(self._app, self._client, effect), left)
        return await joins.play(viewer_join(self._app, self._client, effect), left)

    def _refused(self, session: SessionId, error: RillcastError) -> None:
        del self._opening[session]
        self._carry_out(self._conversation.sessions.refused(session, error))

    async def _accept_move(self, effect: Accept) -> None:
        try:
            await self._services.nodes.accept_move(effect.session, effect.node, effect.sdp_answer)
        except RillcastError as error:
            log.info("An origin did not take a publisher's answer", session=effect.session, code=error.code.value)
            self._answer_refused(effect.session, error)

    def _hand_over(self, effect: Accept | Reoffer) -> None:
        """A description for a node that has the session already."""
        if isinstance(effect, Accept):
            accept = self._accept if effect.role is Role.PLAY else self._accept_move
            self._services.joins.traces.answered(effect.session, tells_first_frame=effect.tells_first_frame)
            with self._services.joins.traces.within(effect.session):
                self._start(accept(effect), lambda busy: self._answer_refused(effect.session, busy))
        else:
            self._start(self._reoffer(effect), lambda busy: self._reoffer_refused(effect.session, busy))

    async def _reoffer(self, effect: Reoffer) -> None:
        try:
            self._services.changes.check(self._client.counted_as)
            answer = await self._services.nodes.reoffer(effect.session, effect.node, effect.sdp_offer)
        except RillcastError as error:
            log.info("An origin did not take another offer", session=effect.session, reason=error.loggable)
            self._reoffer_refused(effect.session, error)
        else:
            self._carry_out(self._conversation.sessions.reoffered(answer))

    def _reoffer_refused(self, session: SessionId, error: RillcastError) -> None:
        self._carry_out(self._conversation.sessions.reoffer_refused(session, error))

    async def _accept(self, effect: Accept) -> None:
        try:
            await self._services.joins.accept(effect.session, effect.node, effect.sdp_answer)
        except RillcastError as error:
            log.info("An edge did not take a viewer's answer", session=effect.session, reason=error.loggable)
            self._answer_refused(effect.session, error)

    def _answer_refused(self, session: SessionId, error: RillcastError) -> None:
        self._carry_out(self._conversation.sessions.answer_refused(session, error))

    def _wish(self, wish: Select | Mute | Describe) -> None:
        nodes = self._services.nodes
        match wish:
            case Select():
                self._ask(nodes.select(wish.session, wish.node, wish.height), wish)
            case Mute():
                self._ask(nodes.mute(wish.session, wish.node, wish.kind, wish.enabled), wish)
            case Describe():
                self._ask(nodes.describe(wish.session, wish.node, wish.name, wish.meta_data), wish)

    def _ask(self, asking: Coroutine[None, None, None], wish: Select | Mute | Describe) -> None:
        """A wish about a living session."""
        told = self._conversation.not_described if isinstance(wish, Describe) else self._conversation.wishes.refused

        def refuse(error: RillcastError) -> None:
            asking.close()
            log.info("A client's wish was refused", session=wish.session, reason=error.loggable)
            self._carry_out(told(wish.session, error))

        async def ask() -> None:
            try:
                self._services.changes.check(self._client.counted_as)
                await asking
            except RillcastError as error:
                refuse(error)

        self._start(ask(), refuse)

    def _start(
        self, work: Coroutine[None, None, None], when_busy: Callable[[RillcastError], None]
    ) -> asyncio.Task[None] | None:
        try:
            if self._in_flight >= MAX_IN_FLIGHT:
                work.close()
                raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too much at once on this socket", 1.0)
            task = self._services.tasks.start(work, "client request")
        except RillcastError as busy:
            self._services.tally.refused_input("too_many_in_flight")
            when_busy(busy)
            return None
        self._in_flight += 1
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight -= 1


def _our_fault() -> RillcastError:
    return RillcastError(ErrorCode.SERVER_ERROR, "internal error, see this node's log")


def _now() -> float:
    """Monotonic seconds."""
    return asyncio.get_running_loop().time()
