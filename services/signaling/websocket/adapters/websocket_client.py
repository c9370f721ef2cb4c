"""One client's WebSocket: reads frames, carries out what its conversation decides, writes frames. All is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    PlayRequest,
    PublishRequest,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.words import SessionState
from rillcast.runtime.telemetry import get_logger
from services.signaling.core.domain.identity import Client, credential_digest
from services.signaling.websocket.adapters.socket_services import SocketServices
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    ExpireLater,
    Forget,
    Mute,
    OpenPublisher,
    OpenViewer,
    Select,
    Send,
    StopWaiting,
    Wait,
)
from services.signaling.websocket.domain.flood_guard import FloodGuard, Verdict
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES

log = get_logger(__name__)

MAX_OUTGOING = 1_000
"""Frames waiting for a client that reads too slowly; beyond it the socket is closed."""
MAX_IN_FLIGHT = 64
"""Requests to the cluster on behalf of one socket at one time."""
SEND_TIMEOUT_S = 20.0

TOO_LARGE, OVERLOADED, POLICY, GOING_AWAY = 1009, 1013, 1008, 1001


class WebSocketClient:
    """Lives as long as the socket."""

    def __init__(
        self, number: int, socket: WebSocket, *, app: AppName, client: Client, node: NodeId, services: SocketServices
    ) -> None:
        self.number = number
        self._socket = socket
        self._app = app
        self._client = client
        self._node = node
        self._services = services
        self._conversation: Conversation = services.conversation(app)
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(MAX_OUTGOING)
        self._in_flight = 0
        self._close_code: int | None = None
        self._closing = asyncio.Event()
        self.end_reason = "client"

    # ---- life

    async def run(self) -> None:
        """Until the client leaves or is sent away."""
        self._services.waiting_room.enter(self.number, self._tell_live)
        work = [asyncio.create_task(self._read()), asyncio.create_task(self._write()), self._closer()]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._services.waiting_room.leave(self.number)
            self._leave()
        for task in done:
            task.result()
        await self._say_goodbye()

    def send(self, frame: str) -> None:
        """Send soon."""
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self.close(OVERLOADED, "slow")

    def close(self, code: int, reason: str) -> None:
        """Send the client away soon. `reason` is the label of the metric."""
        if self._close_code is None:
            self._close_code, self.end_reason = code, reason
            self._closing.set()

    def _closer(self) -> asyncio.Task[None]:
        async def wait() -> None:
            await self._closing.wait()

        return asyncio.create_task(wait())

    def _leave(self) -> None:
        """While this instance goes away, sessions stay: their clients take them over through another one."""
        effects = self._conversation.closed()
        if self.end_reason == "draining":
            effects = [effect for effect in effects if not isinstance(effect, End)]
        self._carry_out(effects)

    async def _say_goodbye(self) -> None:
        if self._close_code is None:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._socket.close(self._close_code, self.end_reason)
        except (RuntimeError, TimeoutError, WebSocketDisconnect):
            log.debug("The client was gone before its socket was closed", socket=self.number)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self._services.limits
        guard = FloodGuard(settings.messages_per_s, settings.message_burst, loop.time())
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            verdict = guard.frame(loop.time())
            if verdict is Verdict.CLOSE:
                self.close(POLICY, "flood")
                return
            text = message.get("text")
            if verdict is Verdict.DROP:
                self._services.tally.refused_input("flood")
            elif text is None:
                self._services.tally.refused_input("binary_frame")
            elif len(text) > MAX_FRAME_BYTES:
                self._services.tally.refused_input("too_large")
                self.close(TOO_LARGE, "too_large")
                return
            else:
                self._carry_out(self._conversation.receive(text, loop.time()))

    async def _write(self) -> None:
        while True:
            frame = await self._outgoing.get()
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send_text(frame)
            except TimeoutError:
                self.close(OVERLOADED, "slow")
                return
            except (WebSocketDisconnect, RuntimeError):
                return

    # ---- carrying out

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out_one(effect)

    def _carry_out_one(self, effect: Effect) -> None:
        services, joins = self._services, self._services.joins
        match effect:
            case Send(frame):
                self.send(frame)
            case OpenPublisher():
                self._open(effect.session, self._publish(effect))
            case OpenViewer():
                self._open(effect.session, self._play(effect))
            case Accept():
                answer = joins.accept(effect.session, effect.node, effect.sdp_answer)
                self._ask(answer, effect.session, "accept")
            case Select():
                self._ask(joins.select(effect.session, effect.node, effect.height), None, "select")
            case Mute():
                self._ask(joins.mute(effect.session, effect.node, effect.kind, effect.enabled), None, "mute")
            case End():
                joins.end(effect.session, effect.node, effect.reason, effect.keep_stream_s)
            case Forget(session):
                services.events.forget(session)
                joins.forget(session)
            case Wait(stream):
                services.waiting_room.wait(self.number, self._app, stream)
            case StopWaiting(stream):
                services.waiting_room.stop(self.number, self._app, stream)
            case ExpireLater(session, after_s):
                asyncio.get_running_loop().call_later(after_s, self._expire, session)

    def _open(self, session: SessionId, opening: Coroutine[None, None, SessionAnswer]) -> None:
        """On the side: the answer is needed even when the socket is gone by then, to end the session again."""
        self._services.events.want(session, self._changed)
        self._start(self._await_answer(session, opening), opening, session)

    async def _await_answer(self, session: SessionId, opening: Coroutine[None, None, SessionAnswer]) -> None:
        try:
            answer = await opening
        except RillcastError as error:
            self._carry_out(self._conversation.refused(session, error, self._now()))
        else:
            self._carry_out(self._conversation.opened(answer, self._now()))

    def _ask(self, asking: Coroutine[None, None, None], session: SessionId | None, what: str) -> None:
        """A request about a living session; a refusal of `session`'s answer is the client's to know."""

        async def ask() -> None:
            try:
                await asking
            except RillcastError as error:
                log.info("A node refused a client's request", what=what, reason=error.message)
                if session is not None:
                    self._carry_out(self._conversation.refused(session, error, self._now()))

        self._start(ask(), asking, session)

    def _start(
        self, work: Coroutine[None, None, None], inner: Coroutine[None, None, object], session: SessionId | None
    ) -> None:
        if self._in_flight >= MAX_IN_FLIGHT:
            work.close()
            inner.close()
            self._services.tally.refused_input("too_many_in_flight")
            if session is not None:
                busy = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too much at once on this socket", 1.0)
                self._carry_out(self._conversation.refused(session, busy, self._now()))
            return
        self._in_flight += 1
        self._services.tasks.start(work, "client request").add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight -= 1

    def _publish(self, effect: OpenPublisher) -> Coroutine[None, None, SessionAnswer]:
        settings = self._services.settings_of(self._app)
        request = PublishRequest(
            app=self._app,
            stream=effect.stream,
            session=effect.session,
            signaling=self._node,
            sdp_offer=effect.sdp_offer,
            credential_digest=credential_digest(self._app, effect.stream, effect.credentials, self._client),
            has_credentials=effect.credentials.shown,
            name=effect.name,
            meta_data=effect.meta_data,
            max_bitrate_bps=settings.max_ingest_bitrate_bps,
            keyframe_interval_ms=settings.web_rtc_keyframe_time,
            start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
        )
        return self._services.joins.publish(request, self._client.place)

    def _play(self, effect: OpenViewer) -> Coroutine[None, None, SessionAnswer]:
        settings = self._services.settings_of(self._app)
        request = PlayRequest(
            app=self._app,
            stream=effect.stream,
            session=effect.session,
            signaling=self._node,
            start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
            abr=settings.abr,
            codecs_to_come=self._services.codecs_to_come(self._app, effect.stream),
        )
        return self._services.joins.play(request, self._client.place)

    # ---- what happens

    def _changed(self, event: SessionChanged) -> None:
        if event.state in (SessionState.CONNECTED, SessionState.MEDIA):
            self._services.joins.connected(event.session)
        self._carry_out(self._conversation.changed(event, self._now()))

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is at that node."""
        return self._conversation.uses(node)

    def node_gone(self, node: NodeId) -> None:
        """The node died or left: move what was there."""
        self._carry_out(self._conversation.node_gone(node, self._now()))

    def _tell_live(self, stream: StreamId) -> None:
        self._carry_out(self._conversation.stream_live(stream))

    def _expire(self, session: SessionId) -> None:
        self._carry_out(self._conversation.expired(session, self._now()))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
