"""One client's WebSocket, decided without I/O: frames, bus answers and session events go in, effects come out.

A `stop` takes effect at once, whatever is under way: the answer to a request for a session the client has given up is
answered with `End`. So a client that stops and starts anew (as the SDK does when it reconnects) never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.words import EndReason, MediaKind, Role
from services.signaling.core.domain.doors import locks
from services.signaling.core.domain.stream_name import MAX_LENGTH, valid_stream_id
from services.signaling.core.ports import Apps, Streams, Tally
from services.signaling.websocket.domain import replies, two_offers
from services.signaling.websocket.domain.asked import Question, question
from services.signaling.websocket.domain.effects import Accept, Admit, AskAbout, Effect, End, Send
from services.signaling.websocket.domain.entrance import Entrance, credentials_of
from services.signaling.websocket.domain.first_frames import first_frame, tells_first_frame
from services.signaling.websocket.domain.frames import (
    BadFrame,
    ClientFrame,
    SdpType,
    is_candidate,
    parse_frame,
    text,
)
from services.signaling.websocket.domain.held_questions import HeldQuestions
from services.signaling.websocket.domain.ice_config import IceConfig
from services.signaling.websocket.domain.kept_offers import KeptOffers
from services.signaling.websocket.domain.not_served import NOT_SERVED, refuse
from services.signaling.websocket.domain.peers import peer_of
from services.signaling.websocket.domain.phases import Phase, Step
from services.signaling.websocket.domain.questions import QUESTIONS, Questions
from services.signaling.websocket.domain.session_events import ended
from services.signaling.websocket.domain.sessions import Now, Sessions
from services.signaling.websocket.domain.slots import Slot, Slots
from services.signaling.websocket.domain.starting_anew import StartingAnew
from services.signaling.websocket.domain.stream_waits import StreamWaits
from services.signaling.websocket.domain.viewer_wishes import ViewerWishes


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
        wall_clock: Callable[[], float],
        kept: KeptOffers | None = None,
        client: str = "",
    ) -> None:
        """`wall_clock`: Unix time. `kept`: the offers of all sockets of this process. `client`: see
        `Client.counted_as`."""
        self._app = app
        self._apps = apps
        self._questions = HeldQuestions(questions, self._has)
        self._tally = tally
        self._slots = Slots(max_streams, kept, client)
        self._waits = StreamWaits(max_streams)
        self.wishes = ViewerWishes(self._slots, max_streams, tally)
        """What the client asks of its edges, kept until they can do it."""
        self.sessions = Sessions(self._slots, self._waits, self.wishes, tally)
        """What nodes answer and what happens to sessions goes in there."""
        self._ice = IceConfig(app, apps, wall_clock)
        self._anew = StartingAnew(self._slots, self.sessions)
        self.entrance = Entrance(
            app, self._slots, self._waits, streams, tally, ice=self._ice, anew=self._anew, wishes=self.wishes
        )
        """The answers to `Admit` go in there."""

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
        try:
            stream = valid_stream_id(text(frame.stream_id))
        except RillcastError as error:
            return self._unnamed(command, frame, error)
        if command in NOT_SERVED:
            return self._not_served(command, frame, stream)
        if command not in SERVED:
            return self._ignored("unknown_command")
        return self._answer(command, frame, stream, now)

    def _unnamed(self, command: str, frame: ClientFrame, error: RillcastError) -> list[Effect]:
        """Names come before commands. Ant Media's SDK names no stream with some of those that are not served, so they
        are refused for what they want as well."""
        self._tally.command(command if command in SERVED | NOT_SERVED else "unknown", error.code.value)
        if error.code is ErrorCode.INVALID_STREAM_NAME:
            return [Send(replies.error(error, text(frame.stream_id)[:MAX_LENGTH]))]
        more = self._not_served(command, frame, "") if command in NOT_SERVED else []
        return [Send(replies.error(error)), *more]

    def _not_served(self, command: str, frame: ClientFrame, stream: str) -> list[Effect]:
        outcome, refusal = refuse(command, frame, stream)
        self._tally.command(command, outcome)
        return [Send(refusal)]

    def _answer(self, command: str, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        try:
            if command in COMMANDS:
                effects = COMMANDS[command](self, frame, stream, now)
            else:
                effects = self._question(command, frame, stream)
        except RillcastError as error:
            self._tally.command(command, error.code.value)
            return [Send(replies.error(error, stream))]
        if not any(isinstance(effect, Admit | AskAbout) for effect in effects):  # counted when the answer comes
            self._tally.command(command, "ok")
        return effects

    def _ice_servers(self) -> list[Effect]:
        effects = self._ice.asked(admitted=any(self._is_in(slot) for slot in self._slots.all()))
        if effects is None:
            return self._ignored("unknown_app")
        self._tally.command("getIceServerConfig", "ok")
        return effects

    def _question(self, command: str, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """Questions are for those who may play the stream. Who was let in for it on this socket is not asked again."""
        asked = question(command, self._app, stream, frame)
        settings = self._apps.settings(self._app)
        if settings is not None and not locks(settings, Role.PLAY):
            return self._questions.answer(asked)
        slots = [self._slots.of(role, stream) for role in Role]
        if self._waits.waiting(stream) or any(slot is not None and self._is_in(slot) for slot in slots):
            return self._questions.answer(asked)
        return [AskAbout(question=asked, credentials=credentials_of(frame))]

    def _has(self, stream: StreamId) -> bool:
        slots = (self._slots.of(role, stream) for role in Role)
        return any(slot is not None and slot.has_run for slot in slots)

    def ask_again(self, number: int) -> list[Effect]:
        """Some time has passed since a question was asked to which there was no answer yet."""
        return self._questions.again(number)

    def may_know(self, asked: Question) -> list[Effect]:
        """The client may play the stream that it asked about: its answer."""
        self._tally.command(asked.command, "ok")
        return self._questions.answer(asked)

    def may_not_know(self, asked: Question, error: RillcastError) -> list[Effect]:
        """The client may not play the stream that it asked about."""
        self._tally.command(asked.command, error.code.value)
        return [Send(replies.error(error, asked.stream))]

    @staticmethod
    def _is_in(slot: Slot) -> bool:
        return slot.phase is not Phase.ADMITTING

    def take_configuration(self, frame: ClientFrame, stream: StreamId, now: Now) -> list[Effect]:
        """An answer that no session waits for is ignored, as is what belongs to no session. A viewer's offer, and what
        is neither an offer nor an answer, is refused in words: its client believes that it has changed something."""
        kind, sdp = text(frame.type), text(frame.sdp)
        publisher, viewer = self._slots.of(Role.PUBLISH, stream), self._slots.of(Role.PLAY, stream)
        if kind not in tuple(SdpType) and (publisher is not None or viewer is not None):
            self._tally.refused_input("unexpected_configuration")
            message = f"the type of a description is offer or answer, and not {kind[:20]!a}"
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)
        if kind == SdpType.OFFER and publisher is not None:
            return self.entrance.offer(publisher, sdp, now)
        if kind == SdpType.OFFER and viewer is not None:
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "a viewer answers the offer that it is sent")
        challenger = viewer.challenger if viewer is not None else None
        if kind == SdpType.ANSWER and viewer is not None and challenger is not None and _awaits_answer(challenger):
            return self._anew.answered(viewer, challenger, sdp, tells_first_frame=tells_first_frame(frame))
        moving = publisher.successor if publisher is not None else None
        awaited = any(slot is not None and _awaits_answer(slot) for slot in (moving, viewer))
        if kind == SdpType.ANSWER and not awaited and (two_offers.is_known(moving) or two_offers.is_known(viewer)):
            return []
        for slot in (moving, viewer):
            if kind == SdpType.ANSWER and slot is not None and self._slots.advance(slot, Step.ANSWERED):
                assert slot.node is not None  # opened, or its answer would not be wanted
                slot.peer = peer_of(sdp)
                tells = tells_first_frame(frame)
                accept = Accept(
                    role=slot.role, session=slot.session, node=slot.node, sdp_answer=sdp, tells_first_frame=tells
                )
                return [accept, *self.sessions.answered(slot)]
        return self._ignored("unexpected_configuration")

    def take_candidate(self, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """Nothing to do with a good one: an ICE-lite agent learns addresses from the checks that arrive."""
        if self._slots.of(Role.PUBLISH, stream) is None and self._slots.of(Role.PLAY, stream) is None:
            return self._ignored("unexpected_candidate")
        return [] if is_candidate(frame.candidate) else self._ignored("bad_candidate")

    def first_frame(self, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """See `first_frames.first_frame`."""
        return first_frame(self._slots, self._tally, frame, stream)

    def stop(self, stream: StreamId) -> list[Effect]:
        """End what there is of the stream on this socket, whether it is published, played or waited for."""
        effects = self._waits.stop(stream)
        for role in (Role.PUBLISH, Role.PLAY):
            slot = self._slots.of(role, stream)
            if slot is not None:
                effects += [*self.sessions.leave(slot, Step.LEFT, EndReason.STOPPED), Send(ended(slot))]
        return effects

    def not_described(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """An origin did not take what the publisher says of its stream. One that moves tells the next origin."""
        slot = self._slots.session(session)
        if slot is None or slot.node_gone or slot.successor is not None:
            return []
        slot.described = ("", "")
        return [Send(replies.error(error, slot.stream))]

    # ---- about the socket

    @property
    def idle(self) -> bool:
        """Whether nothing is left that belongs to this socket."""
        return not len(self._slots) and not len(self._waits)

    @property
    def sessionless(self) -> bool:
        """Whether it has no session, nor has asked for one that is being opened. It may wait for streams."""
        return not len(self._slots)

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is at that node. Asked of every socket when a node is gone."""
        slots = self._slots.all()
        ones = [one for slot in slots for one in (slot, slot.successor, slot.challenger) if one is not None]
        return any(one.node == node for one in ones)

    def stream_live(self, stream: StreamId) -> list[Effect]:
        """A stream this socket may be waiting for is live."""
        return self._waits.live(stream)

    def closed(self, *, sessions_stay: bool) -> list[Effect]:
        """The socket is gone. Streams are kept for their publishers' return. `sessions_stay`: this instance goes away,
        and clients take their sessions over through another one."""
        self._questions.drop()
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


def _awaits_answer(slot: Slot) -> bool:
    return slot.phase is Phase.ANSWER_WANTED


Command = Callable[[Conversation, ClientFrame, StreamId, Now], list[Effect]]
COMMANDS: Mapping[str, Command] = {
    "publish": lambda talk, frame, stream, now: talk.entrance.publish(frame, stream, now),
    "play": lambda talk, frame, stream, now: talk.entrance.play(frame, stream, now),
    "updateStreamMetaData": lambda talk, frame, stream, now: talk.entrance.update_meta_data(frame, stream),
    "takeConfiguration": lambda talk, frame, stream, now: talk.take_configuration(frame, stream, now),
    "takeCandidate": lambda talk, frame, stream, now: talk.take_candidate(frame, stream),
    "stop": lambda talk, frame, stream, now: talk.stop(stream),
    "firstFrame": lambda talk, frame, stream, now: talk.first_frame(frame, stream),
    "forceStreamQuality": lambda talk, frame, stream, now: talk.wishes.force_quality(frame, stream),
    "toggleVideo": lambda talk, frame, stream, now: talk.wishes.toggle(frame, stream, MediaKind.VIDEO),
    "toggleAudio": lambda talk, frame, stream, now: talk.wishes.toggle(frame, stream, MediaKind.AUDIO),
    "enableTrack": lambda talk, frame, stream, now: talk.wishes.enable_track(frame, stream),
}
"""Commands about a session. What each brings in which phase is a table in ``test_signaling_commands.py``."""
SERVED = COMMANDS.keys() | QUESTIONS
"""All commands that name a stream."""
