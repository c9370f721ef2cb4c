"""One client's WebSocket, decided without I/O: frames, bus answers and session events go in, effects come out.

A `stop` takes effect at once, whatever is under way: the answer to a request for a session the client has given up is
answered with `End`. So a client that stops and starts anew (as the SDK does when it reconnects) never waits.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.words import EndReason, Role
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.ports import Apps, Streams, Tally
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Accept, Admit, Effect, End, OpenPublisher, Send
from services.signaling.websocket.domain.entrance import Entrance
from services.signaling.websocket.domain.frames import (
    BadFrame,
    ClientFrame,
    is_candidate,
    parse_frame,
    text,
)
from services.signaling.websocket.domain.phases import Step
from services.signaling.websocket.domain.questions import QUESTIONS, Questions
from services.signaling.websocket.domain.session_events import ended
from services.signaling.websocket.domain.sessions import Now, Sessions
from services.signaling.websocket.domain.slots import Slots
from services.signaling.websocket.domain.stream_waits import StreamWaits


class Conversation:
    """Of one socket. No method raises for anything a client sends."""

    def __init__(
        self,
        app: AppName,
        *,
        apps: Apps,
        streams: Streams,
        questions: Questions,
        tally: Tally,
        max_streams: int,
    ) -> None:
        self._app = app
        self._apps = apps
        self._questions = questions
        self._tally = tally
        self._slots = Slots(max_streams)
        self._waits = StreamWaits(max_streams)
        self.sessions = Sessions(self._slots, self._waits, tally)
        """What nodes answer and what happens to sessions goes in there."""
        self.entrance = Entrance(app, self._slots, self._waits, streams, tally)
        """The answers to `Admit` go in there."""
        self._commands: dict[str, Callable[[ClientFrame, StreamId, Now], list[Effect]]] = {
            "publish": self.entrance.publish,
            "play": self.entrance.play,
            "takeConfiguration": self._take_configuration,
            "takeCandidate": self._take_candidate,
            "stop": self._stop,
        }

    # ---- from the client

    def receive(self, frame_text: str, now: Now) -> list[Effect]:
        """A text frame. What can't be understood is ignored and counted, as the original does."""
        try:
            frame = parse_frame(frame_text)
        except BadFrame:
            return self._ignored("not_json")
        command = text(frame.command)
        if not command:
            return self._ignored("no_command")
        if command == "ping":
            return [Send(replies.PONG)]
        if command == "getIceServerConfig":
            return self._ice_servers()
        return self._about_stream(command, frame, now)

    def _about_stream(self, command: str, frame: ClientFrame, now: Now) -> list[Effect]:
        known = command in self._commands or command in QUESTIONS
        shown = command if known else "unknown"
        try:
            stream = valid_stream_id(text(frame.stream_id))
        except RillcastError as error:
            self._tally.command(shown, error.code.value)
            named = text(frame.stream_id) if error.code is ErrorCode.INVALID_STREAM_NAME else ""
            return [Send(replies.error(error, named[:255]))]
        if not known:
            return self._ignored("unknown_command")
        return self._answer(command, frame, stream, now)

    def _answer(self, command: str, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        try:
            if command in self._commands:
                effects = self._commands[command](frame, stream, now)
            else:
                viewer = self._slots.of(Role.PLAY, stream)
                effects = self._questions.answer(command, frame, self._app, stream, viewer)
        except RillcastError as error:
            self._tally.command(command, error.code.value)
            return [Send(replies.error(error, stream))]
        if not any(isinstance(effect, Admit) for effect in effects):  # counted when the answer comes
            self._tally.command(command, "ok")
        return effects

    def _ice_servers(self) -> list[Effect]:
        settings = self._apps.settings(self._app)
        if settings is None:
            return self._ignored("unknown_app")
        self._tally.command("getIceServerConfig", "ok")
        return [
            Send(
                replies.frame(
                    "iceServerConfig",
                    stunServerUri=settings.stun_server_uri,
                    turnServerUsername=settings.turn_server_username,
                    turnServerCredential=settings.turn_server_credential,
                )
            )
        ]

    def _take_configuration(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        kind, sdp = text(frame.type), text(frame.sdp)
        publisher, viewer = self._slots.of(Role.PUBLISH, stream), self._slots.of(Role.PLAY, stream)
        if kind == "offer" and publisher is not None and self._slots.advance(publisher, Step.OFFERED):
            return [
                OpenPublisher(
                    session=publisher.session,
                    stream=stream,
                    sdp_offer=sdp,
                    credentials=publisher.credentials,
                    name=publisher.name,
                    meta_data=publisher.meta_data,
                )
            ]
        if kind == "answer" and viewer is not None and self._slots.advance(viewer, Step.ANSWERED):
            assert viewer.node is not None  # opened, or its answer would not be wanted
            return [Accept(session=viewer.session, node=viewer.node, sdp_answer=sdp)]
        return self._ignored("unexpected_configuration")

    def _take_candidate(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        """Nothing to do with a good one: an ICE-lite agent learns addresses from the checks that arrive."""
        if self._slots.of(Role.PUBLISH, stream) is None and self._slots.of(Role.PLAY, stream) is None:
            return self._ignored("unexpected_candidate")
        return [] if is_candidate(frame.candidate) else self._ignored("bad_candidate")

    def _stop(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        effects = self._waits.stop(stream)
        for role in (Role.PUBLISH, Role.PLAY):
            slot = self._slots.of(role, stream)
            if slot is not None:
                effects += [*self.sessions.leave(slot, Step.LEFT, EndReason.STOPPED), Send(ended(slot))]
        return effects

    # ---- about the socket

    @property
    def idle(self) -> bool:
        """Whether nothing is left that belongs to this socket."""
        return not len(self._slots) and not len(self._waits)

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is there."""
        return any(slot.node == node for slot in self._slots.all())

    def stream_live(self, stream: StreamId) -> list[Effect]:
        """A stream this socket may be waiting for is live."""
        return self._waits.live(stream)

    def closed(self, *, sessions_stay: bool) -> list[Effect]:
        """The socket is gone. Streams are kept for their publishers' return. `sessions_stay`: this instance goes away,
        and clients take their sessions over through another one."""
        effects: list[Effect] = []
        for slot in self._slots.all():
            effects += self.sessions.leave(slot, Step.LEFT, EndReason.SOCKET_CLOSED, keep_stream_s=slot.start_timeout_s)
        if sessions_stay:
            effects = [effect for effect in effects if not isinstance(effect, End)]
        return effects + self._waits.stop_all()

    # ---- parts

    def _ignored(self, reason: str) -> list[Effect]:
        self._tally.refused_input(reason)
        return []
