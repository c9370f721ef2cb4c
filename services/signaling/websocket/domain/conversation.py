"""One client's WebSocket, decided without I/O: frames, bus answers and session events go in, effects come out.

A `stop` takes effect at once, whatever is under way: the answer to a request for a session the client has given up is
answered with `End`. So a client that stops and starts anew (as the SDK does when it reconnects) never waits.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, new_session_id
from rillcast.contracts.words import EndReason
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.join_requests import MAX_META_DATA, MAX_NAME
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.ports import Apps, Streams, Tally
from services.signaling.core.usecases.admission import Admission
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    ExpireLater,
    OpenPublisher,
    OpenViewer,
    Send,
)
from services.signaling.websocket.domain.frames import (
    BadFrame,
    ClientFrame,
    free_text,
    is_candidate,
    parse_frame,
    text,
)
from services.signaling.websocket.domain.phases import Phase, Role, Step
from services.signaling.websocket.domain.questions import QUESTIONS, Questions
from services.signaling.websocket.domain.session_events import ended
from services.signaling.websocket.domain.sessions import Now, Sessions
from services.signaling.websocket.domain.slots import Slot, Slots
from services.signaling.websocket.domain.stream_waits import StreamWaits


class Conversation:
    """Of one socket. No method raises for anything a client sends."""

    def __init__(
        self,
        app: AppName,
        *,
        apps: Apps,
        streams: Streams,
        admission: Admission,
        questions: Questions,
        tally: Tally,
        wall_clock: Callable[[], float],
        max_streams: int,
    ) -> None:
        """`wall_clock`: Unix time, for tokens."""
        self._app = app
        self._apps = apps
        self._streams = streams
        self._admission = admission
        self._questions = questions
        self._tally = tally
        self._wall_clock = wall_clock
        self._slots = Slots(max_streams)
        self._waits = StreamWaits(max_streams)
        self.sessions = Sessions(self._slots, self._waits, tally)
        """What nodes answer and what happens to sessions goes in there."""
        self._commands: dict[str, Callable[[ClientFrame, StreamId, Now], list[Effect]]] = {
            "publish": self._publish,
            "play": self._play,
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

    def _publish(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        if self._slots.of(Role.PUBLISH, stream) is not None:
            raise RillcastError(ErrorCode.ALREADY_PUBLISHING, "this socket publishes that stream already")
        self._room()
        credentials = _credentials(frame)
        settings = self._admission.publish(self._app, stream, credentials, self._wall_clock())
        name, meta_data = free_text(frame.stream_name, MAX_NAME), free_text(frame.meta_data, MAX_META_DATA)
        if name is None or meta_data is None:
            self._tally.refused_input("description_too_long")
        slot = Slot(
            role=Role.PUBLISH,
            stream=stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.OFFER_WANTED,
            credentials=credentials,
            start_timeout_s=settings.web_rtc_client_start_timeout_ms / 1_000,
            name=name or "",
            meta_data=meta_data or "",
        )
        self._slots.add(slot)
        return [Send(replies.start(stream, credentials.subscriber_id)), ExpireLater(slot.session, slot.start_timeout_s)]

    def _play(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        if self._slots.of(Role.PLAY, stream) is not None:
            raise RillcastError(ErrorCode.ALREADY_PLAYING, "this socket plays that stream already")
        credentials = _credentials(frame)
        settings = self._admission.play(self._app, stream, credentials, self._wall_clock())
        live = self._streams.live(self._app, stream)
        if live is None:
            return self._waits.not_live(stream)
        self._room()
        slot = Slot(
            role=Role.PLAY,
            stream=stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.OPENING,
            credentials=credentials,
            start_timeout_s=settings.web_rtc_client_start_timeout_ms / 1_000,
        )
        self._slots.add(slot)
        return [
            *self._waits.stop(stream),
            OpenViewer(session=slot.session, stream=stream),
            ExpireLater(slot.session, slot.start_timeout_s),
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

    def _room(self) -> None:
        if self._slots.full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "this socket has as many streams as it may")

    def _ignored(self, reason: str) -> list[Effect]:
        self._tally.refused_input(reason)
        return []


def _credentials(frame: ClientFrame) -> Credentials:
    return Credentials(
        token=text(frame.token),
        subscriber_id=text(frame.subscriber_id),
        subscriber_code=text(frame.subscriber_code),
    )
