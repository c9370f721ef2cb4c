"""One client's WebSocket, decided without I/O: frames, bus answers and session events go in, effects come out.

A `stop` takes effect at once, whatever is under way: the answer to a request for a session the client has given up is
answered with `End`. So a client that stops and starts anew (as the SDK does when it reconnects) never waits.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, new_session_id
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.core.domain.admission import Admission, valid_stream_id
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.ports import Apps, Streams, Tally
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    ExpireLater,
    Forget,
    OpenPublisher,
    OpenViewer,
    Send,
    StopWaiting,
    Wait,
)
from services.signaling.websocket.domain.frames import (
    MAX_META_DATA,
    MAX_NAME,
    BadFrame,
    ClientFrame,
    free_text,
    is_candidate,
    parse_frame,
    text,
)
from services.signaling.websocket.domain.questions import QUESTIONS, Questions
from services.signaling.websocket.domain.session_events import ended, told
from services.signaling.websocket.domain.slots import Phase, Role, Slot, Slots

MAX_ABANDONED = 256

Now = float
"""Monotonic seconds."""


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
        self._abandoned: dict[SessionId, float] = {}
        self._waiting: set[StreamId] = set()
        self._max_waiting = max_streams
        self._closed = False
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
            return self._not_live(stream)
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
            *self._no_longer_waiting(stream),
            OpenViewer(session=slot.session, stream=stream),
            ExpireLater(slot.session, slot.start_timeout_s),
        ]

    def _take_configuration(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        kind, sdp = text(frame.type), text(frame.sdp)
        publisher, viewer = self._slots.of(Role.PUBLISH, stream), self._slots.of(Role.PLAY, stream)
        if kind == "offer" and publisher is not None and publisher.phase is Phase.OFFER_WANTED:
            publisher.phase = Phase.OPENING
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
        if kind == "answer" and viewer is not None and viewer.phase is Phase.ANSWER_WANTED and viewer.node is not None:
            viewer.phase = Phase.CONNECTING
            return [Accept(session=viewer.session, node=viewer.node, sdp_answer=sdp)]
        return self._ignored("unexpected_configuration")

    def _take_candidate(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        """Nothing to do with a good one: an ICE-lite agent learns addresses from the checks that arrive."""
        if self._slots.of(Role.PUBLISH, stream) is None and self._slots.of(Role.PLAY, stream) is None:
            return self._ignored("unexpected_candidate")
        return [] if is_candidate(frame.candidate) else self._ignored("bad_candidate")

    def _stop(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        effects = self._no_longer_waiting(stream)
        for role in (Role.PUBLISH, Role.PLAY):
            slot = self._slots.of(role, stream)
            if slot is not None:
                effects += [*self._leave(slot, EndReason.STOPPED, keep_stream_s=0.0), Send(ended(slot))]
        return effects

    # ---- from the cluster

    def opened(self, answer: SessionAnswer, now: Now) -> list[Effect]:
        """The node has the session."""
        slot = self._slots.session(answer.session)
        if slot is None:
            keep_stream_s = self._abandoned.pop(answer.session, 0.0)
            return [
                End(session=answer.session, node=answer.node, reason=EndReason.ABANDONED, keep_stream_s=keep_stream_s),
                Forget(answer.session),
            ]
        slot.node, slot.restored = answer.node, answer.restored
        publishing = slot.role is Role.PUBLISH
        slot.phase = Phase.CONNECTING if publishing else Phase.ANSWER_WANTED
        kind, subscriber = "answer" if publishing else "offer", slot.credentials.subscriber_id
        return [Send(replies.configuration(slot.stream, kind, answer.sdp, answer.id_mapping, subscriber))]

    def refused(self, session: SessionId, error: RillcastError, now: Now) -> list[Effect]:
        """No node takes the session, or its edge doesn't take the client's answer."""
        slot = self._slots.session(session)
        self._abandoned.pop(session, None)
        if slot is None:
            return [Forget(session)]
        self._tally.joined(_figure(slot), error.code.value)
        effects = self._leave(slot, EndReason.REFUSED, keep_stream_s=0.0)
        if slot.moving:
            return [*effects, Send(replies.error(error, slot.stream)), Send(ended(slot))]
        if slot.role is Role.PLAY and error.code is ErrorCode.NO_STREAM_EXIST:
            return effects + self._not_live(slot.stream)
        return [*effects, Send(replies.error(error, slot.stream))]

    def changed(self, event: SessionChanged, now: Now) -> list[Effect]:
        """Something happened to a session."""
        slot = self._slots.session(event.session)
        if slot is None:
            return []
        if event.state is SessionState.CLOSED and event.reason is EndReason.DRAINING:
            return self._node_leaves(slot, now)
        figure, seconds, was = _figure(slot), now - slot.asked_at, slot.phase
        effects: list[Effect] = [Send(frame) for frame in told(slot, event)]
        if slot.phase is Phase.RUNNING and was is not Phase.RUNNING:
            self._tally.joined(figure, "ok", seconds)
        if event.state is SessionState.CLOSED:
            if was is not Phase.RUNNING:
                self._tally.joined(figure, "failed")
            self._slots.remove(slot)
            effects.append(Forget(slot.session))
        return effects

    def node_gone(self, node: NodeId, now: Now) -> list[Effect]:
        """A node died or left."""
        return [e for slot in self._slots.all() if slot.node == node for e in self._node_leaves(slot, now)]

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is there."""
        return any(slot.node == node for slot in self._slots.all())

    def stream_live(self, stream: StreamId) -> list[Effect]:
        """A stream this socket may be waiting for is live."""
        if stream not in self._waiting:
            return []
        return [*self._no_longer_waiting(stream), Send(replies.notification("streaming_started", stream))]

    def expired(self, session: SessionId, now: Now) -> list[Effect]:
        """The time to start is over. Once connecting, the session's node watches over it."""
        slot = self._slots.session(session)
        if slot is None or slot.phase in (Phase.CONNECTING, Phase.RUNNING):
            return []
        failure = RillcastError(ErrorCode.PUBLISH_TIMEOUT, "the client did not answer in time")
        self._tally.joined(_figure(slot), failure.code.value)
        return [
            *self._leave(slot, EndReason.START_TIMEOUT, keep_stream_s=0.0),
            Send(replies.error(failure, slot.stream)),
        ]

    def closed(self) -> list[Effect]:
        """The socket is gone. Streams are kept for their publishers' return."""
        self._closed = True
        effects: list[Effect] = []
        for slot in self._slots.all():
            effects += self._leave(slot, EndReason.SOCKET_CLOSED, keep_stream_s=slot.start_timeout_s)
        for stream in list(self._waiting):
            effects += self._no_longer_waiting(stream)
        return effects

    # ---- parts

    def _node_leaves(self, slot: Slot, now: Now) -> list[Effect]:
        """A viewer gets an offer of another edge on its living PeerConnection; a publisher is asked to come back anew,
        and then takes its stream over wherever it lands."""
        if slot.role is Role.PUBLISH:
            return [Send(replies.SERVER_WILL_STOP)]
        former, known = slot.session, slot.phase is Phase.RUNNING or slot.moving
        self._slots.rename(slot, new_session_id())
        slot.node, slot.phase, slot.moving, slot.asked_at = None, Phase.OPENING, known, now
        return [
            Forget(former),
            OpenViewer(session=slot.session, stream=slot.stream),
            ExpireLater(slot.session, slot.start_timeout_s),
        ]

    def _leave(self, slot: Slot, reason: EndReason, *, keep_stream_s: float) -> list[Effect]:
        self._slots.remove(slot)
        keep_stream_s = keep_stream_s if slot.role is Role.PUBLISH else 0.0
        if slot.phase is Phase.OPENING:
            if len(self._abandoned) < MAX_ABANDONED:
                self._abandoned[slot.session] = keep_stream_s
            return []
        if slot.node is None:
            return [Forget(slot.session)]
        end = End(session=slot.session, node=slot.node, reason=reason, keep_stream_s=keep_stream_s)
        return [end, Forget(slot.session)]

    def _not_live(self, stream: StreamId) -> list[Effect]:
        effects: list[Effect] = [Send(replies.no_stream(stream))]
        if stream not in self._waiting and len(self._waiting) < self._max_waiting:
            self._waiting.add(stream)
            effects.append(Wait(stream))
        return effects

    def _no_longer_waiting(self, stream: StreamId) -> list[Effect]:
        if stream not in self._waiting:
            return []
        self._waiting.discard(stream)
        return [StopWaiting(stream)]

    def _room(self) -> None:
        if self._slots.full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "this socket has as many streams as it may")

    def _ignored(self, reason: str) -> list[Effect]:
        self._tally.refused_input(reason)
        return []


def _figure(slot: Slot) -> str:
    """The role under which a join is counted; moves to another edge are counted apart."""
    return "move" if slot.moving else slot.role.value


def _credentials(frame: ClientFrame) -> Credentials:
    return Credentials(
        token=text(frame.token),
        subscriber_id=text(frame.subscriber_id),
        subscriber_code=text(frame.subscriber_code),
    )
