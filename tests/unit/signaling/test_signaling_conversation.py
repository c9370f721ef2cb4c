"""Conversations without any I/O: order of events, bounds, and input nobody foresaw."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.records import AppSettings, StreamRecord
from rillcast.contracts.words import EndReason, MediaKind, Role, SessionState
from rillcast.runtime.ports import Entry
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.effects import (
    Accept,
    Admit,
    Effect,
    End,
    ExpireLater,
    Forget,
    GiveUp,
    Mute,
    OpenPublisher,
    OpenViewer,
    Select,
    Send,
    Wait,
)
from services.signaling.websocket.domain.questions import Questions

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
LIVE, STREAM, EDGE = AppName("live"), StreamId("s1"), NodeId("edge-1")


class Known:
    """Streams, audience and license in one."""

    suspended = False

    def __init__(self) -> None:
        self.directory = StreamDirectory()
        for revision, stream in enumerate((STREAM, StreamId("s2")), 1):
            record = StreamRecord(
                app=LIVE,
                stream=stream,
                owner=NodeId("o"),
                publisher_session=SessionId("p"),
                tracks=(),
                media_flowing=True,
            )
            self.directory.apply_stream(Entry(stream_key(LIVE, stream), msgspec.json.encode(record), revision), 0.0)

    def live(self, app: AppName, stream: StreamId) -> LiveStream | None:
        return self.directory.get(app, stream)

    def all(self) -> list[LiveStream]:
        return list(self.directory.all())

    def count(self, app: AppName, besides: StreamId) -> int:
        return 0

    def viewers(self, app: AppName, stream: StreamId) -> int:
        return 1

    def viewers_of_app(self, app: AppName) -> int:
        return 1


class Tallied:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.joins: list[tuple[str, str, float | None]] = []
        self.refused: list[str] = []

    def command(self, command: str, outcome: str) -> None:
        pass

    def refused_input(self, reason: str) -> None:
        self.refused.append(reason)

    def joined(self, role: str, outcome: str, seconds: float | None = None) -> None:
        self.joins.append((role, outcome, seconds))


class Talk:
    """A conversation with helpers."""

    def __init__(self, max_streams: int = 8) -> None:
        known, self.tally = Known(), Tallied()
        self.apps = AppCatalog(["live"], {})
        self.asks = False
        """Whether somebody has to be asked before the client is let in; else it is let in at once."""
        self.conversation = Conversation(
            LIVE,
            apps=self.apps,
            streams=known,
            questions=Questions(known, BroadcastCatalog(), known, self.tally, lambda node: ""),
            tally=self.tally,
            max_streams=max_streams,
        )

    def send(self, command: str, now: float = 0.0, **fields: Any) -> list[Effect]:
        effects = self.conversation.receive(msgspec.json.encode({"command": command, **fields}).decode(), now)
        if effects and isinstance(effects[0], Admit) and not self.asks:
            return self.admitted(effects[0].session)
        return effects

    def admitted(self, session: SessionId) -> list[Effect]:
        return self.conversation.entrance.admitted(session, AppSettings(app_name="live"))

    def opening(self, now: float = 0.0) -> SessionId:
        return next(e.session for e in self.send("play", now, streamId="s1") if isinstance(e, OpenViewer))

    def opened(self, session: SessionId) -> list[Effect]:
        return self.conversation.sessions.opened(SessionAnswer(session=session, node=EDGE, sdp="v=0"))

    def changed(
        self, session: SessionId, state: SessionState, now: float = 0.0, reason: EndReason | None = None
    ) -> list[Effect]:
        event = SessionChanged(session=session, node=EDGE, state=state, reason=reason)
        return self.conversation.sessions.changed(event, now)

    def running(self) -> SessionId:
        """A viewer that was told that it plays."""
        session = self.opening()
        self.opened(session)
        self.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
        self.changed(session, SessionState.CONNECTED)
        return session


def definitions(effects: list[Effect]) -> list[str]:
    frames = [msgspec.json.decode(effect.frame) for effect in effects if isinstance(effect, Send)]
    return [frame.get("definition", frame["command"]) for frame in frames]


def test_the_time_from_play_to_connected_is_the_join_time() -> None:
    talk = Talk()
    session = talk.opening(now=10.0)
    talk.opened(session)
    talk.send("takeConfiguration", 10.1, streamId="s1", type="answer", sdp="v=0")

    talk.changed(session, SessionState.CONNECTED, now=10.25)

    assert talk.tally.joins == [("play", "ok", 0.25)]


def test_stop_during_opening_ends_the_session_when_its_answer_comes() -> None:
    talk = Talk()
    session = talk.opening()

    assert definitions(talk.send("stop", streamId="s1")) == ["play_finished"]
    assert talk.opened(session) == [End(session=session, node=EDGE, reason=EndReason.ABANDONED), Forget(session)]


def test_a_publisher_whose_socket_closes_during_opening_keeps_its_stream() -> None:
    talk = Talk()
    talk.send("publish", streamId="s1")
    offered = talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0")
    session = next(effect.session for effect in offered if isinstance(effect, OpenPublisher))

    assert talk.conversation.closed(sessions_stay=False) == [GiveUp(session)]
    end = talk.opened(session)[0]

    assert isinstance(end, End)
    assert end.keep_stream_s == 10.0


def test_a_second_answer_is_ignored() -> None:
    talk = Talk()
    talk.opened(talk.opening())
    first = talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    second = talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    assert [type(effect) for effect in first] == [Accept]
    assert second == []
    assert talk.tally.refused == ["unexpected_configuration"]


def test_a_publisher_has_not_started_when_it_is_only_connected() -> None:
    talk = Talk()
    talk.send("publish", streamId="s1")
    offered = talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0")
    session = next(effect.session for effect in offered if isinstance(effect, OpenPublisher))
    talk.opened(session)

    assert definitions(talk.changed(session, SessionState.CONNECTED)) == []
    assert definitions(talk.changed(session, SessionState.MEDIA)) == ["publish_started"]
    assert definitions(talk.changed(session, SessionState.MEDIA)) == []


def test_a_client_that_offers_nothing_in_time_hears_of_it_and_may_publish_again() -> None:
    talk = Talk()
    effects = talk.send("publish", streamId="s1")
    session = next(effect.session for effect in effects if isinstance(effect, ExpireLater))

    assert definitions(talk.conversation.sessions.expired(session)) == ["publishTimeoutError"]
    assert definitions(talk.send("publish", streamId="s1")) == ["start"]


def test_a_connecting_session_does_not_expire_here() -> None:
    talk = Talk()
    session = talk.opening()
    talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    assert talk.conversation.sessions.expired(session) == []


def test_a_session_closed_before_it_started_is_an_error_and_afterwards_an_end() -> None:
    before, after = Talk(), Talk()
    early = before.opening()
    before.opened(early)
    late = after.running()

    assert definitions(before.changed(early, SessionState.CLOSED, reason=EndReason.ICE_TIMEOUT)) == [
        "publishTimeoutError"
    ]
    assert definitions(after.changed(late, SessionState.CLOSED, reason=EndReason.ICE_TIMEOUT)) == ["play_finished"]


def test_a_fault_of_the_server_is_told_before_the_end() -> None:
    talk = Talk()
    session = talk.running()

    effects = talk.changed(session, SessionState.CLOSED, reason=EndReason.PLANE_ERROR)

    assert definitions(effects) == ["server_error_check_logs", "play_finished"]


def test_one_socket_waits_for_a_bounded_number_of_streams() -> None:
    talk = Talk(max_streams=2)

    waits = [effect for n in range(5) for effect in talk.send("play", streamId=f"w{n}") if isinstance(effect, Wait)]

    assert len(waits) == 2


def test_a_refusal_that_comes_after_the_client_gave_up_is_not_told() -> None:
    talk = Talk()
    session = talk.opening()
    talk.send("stop", streamId="s1")

    effects = talk.conversation.sessions.refused(session, FULL)

    assert effects == [Forget(session)]


def test_every_refused_join_is_forgotten() -> None:
    talk = Talk()
    for _ in range(300):
        session = talk.opening()
        assert talk.conversation.sessions.refused(session, FULL)[0] == Forget(session)

    assert talk.conversation.idle


def test_a_viewer_that_is_moved_while_its_edge_is_still_opening_is_opened_anew_and_the_former_forgotten_once() -> None:
    talk = Talk()
    former = talk.opening()

    moved = talk.changed(former, SessionState.CLOSED, reason=EndReason.DRAINING)
    successor = next(effect.session for effect in moved if isinstance(effect, OpenViewer))

    assert Forget(former) not in moved
    assert talk.opened(former) == [End(session=former, node=EDGE, reason=EndReason.ABANDONED), Forget(former)]
    assert definitions(talk.opened(successor)) == ["takeConfiguration"]


def test_an_answer_that_the_edge_calls_bad_too_late_does_not_end_a_running_session() -> None:
    talk = Talk()
    session = talk.running()

    assert talk.conversation.sessions.answer_refused(session, FULL) == []
    assert definitions(talk.changed(session, SessionState.CLOSED, reason=EndReason.STREAM_ENDED)) == ["play_finished"]


def test_what_a_viewer_wishes_before_it_runs_is_told_to_the_edge_when_it_does() -> None:
    talk = Talk()
    session = talk.opening()
    for command, wish in (
        ("toggleVideo", {"enabled": False}),
        ("toggleAudio", {"enabled": False}),
        ("forceStreamQuality", {"streamHeight": 360}),
        ("toggleAudio", {"enabled": True}),
    ):
        assert talk.send(command, streamId="s1", **wish) == []
    talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    effects = talk.changed(session, SessionState.CONNECTED)

    assert [effect for effect in effects if not isinstance(effect, Send)] == [
        Mute(session=session, node=EDGE, kind=MediaKind.VIDEO, enabled=False),
        Select(session=session, node=EDGE, height=360),
    ]


def test_a_viewer_that_moves_to_another_edge_keeps_its_forced_height_and_stays_muted() -> None:
    talk = Talk()
    former = talk.running()
    talk.send("toggleAudio", streamId="s1", enabled=False)
    talk.send("forceStreamQuality", streamId="s1", streamHeight="360")

    moved = talk.changed(former, SessionState.CLOSED, reason=EndReason.DRAINING)
    successor = next(effect.session for effect in moved if isinstance(effect, OpenViewer))
    talk.opened(successor)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    assert talk.changed(successor, SessionState.CONNECTED) == [
        Mute(session=successor, node=EDGE, kind=MediaKind.AUDIO, enabled=False),
        Select(session=successor, node=EDGE, height=360),
    ]


def test_who_must_be_asked_about_hears_nothing_until_the_answer_is_there() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("publish", streamId="s1", token="t")[0]

    assert isinstance(asked, Admit)
    assert (asked.role, asked.stream, asked.credentials.token) == (Role.PUBLISH, "s1", "t")
    assert definitions(talk.admitted(asked.session)) == ["start"]


def test_a_client_that_is_not_let_in_is_told_why_and_may_ask_again() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("play", streamId="s1")[0]
    assert isinstance(asked, Admit)

    refused = talk.conversation.entrance.denied(asked.session, RillcastError(ErrorCode.UNAUTHORIZED, "no"))

    assert definitions(refused) == ["unauthorized_access"]
    assert talk.conversation.idle
    assert isinstance(talk.send("play", streamId="s1")[0], Admit)


def test_while_it_is_asked_about_a_client_cannot_publish_twice_offer_or_mute_and_may_stop() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("publish", streamId="s1")[0]
    assert isinstance(asked, Admit)

    assert definitions(talk.send("publish", streamId="s1")) == ["already_publishing"]
    assert talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0") == []
    stopped = talk.send("stop", streamId="s1")

    assert stopped[0] == GiveUp(asked.session)
    assert definitions(stopped) == ["publish_finished"]
    assert talk.admitted(asked.session) == []
    assert talk.conversation.idle


def test_a_socket_that_closes_while_somebody_is_asked_is_asked_about_no_longer() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("play", streamId="s1")[0]
    assert isinstance(asked, Admit)

    assert talk.conversation.closed(sessions_stay=False) == [GiveUp(asked.session)]
    assert talk.admitted(asked.session) == []
    assert talk.conversation.idle


def test_a_stream_that_ended_while_somebody_was_asked_is_waited_for() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("play", streamId="gone")[0]
    assert isinstance(asked, Admit)

    assert definitions(talk.admitted(asked.session)) == ["no_stream_exist"]


def test_a_socket_asks_about_a_bounded_number_of_streams_at_once() -> None:
    talk = Talk(max_streams=2)
    talk.asks = True

    asked = [talk.send("play", streamId=f"w{number}") for number in range(3)]

    assert [type(effects[0]) for effects in asked[:2]] == [Admit, Admit]
    assert definitions(asked[2]) == ["highResourceUsage"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
commands = st.sampled_from(
    [
        "publish",
        "play",
        "stop",
        "takeConfiguration",
        "takeCandidate",
        "getStreamInfo",
        "getBroadcastObject",
        "forceStreamQuality",
        "toggleVideo",
        "toggleAudio",
        "getSubscriberCount",
        "getIceServerConfig",
        "ping",
        "join",
    ]
)
fields = st.fixed_dictionaries(
    {"command": commands},
    optional={
        name: json_values | st.sampled_from(["s1", "s2", "offer", "answer", True, 0])
        for name in (
            "streamId",
            "type",
            "sdp",
            "token",
            "subscriberId",
            "streamName",
            "metaData",
            "candidate",
            "label",
            "streamHeight",
            "enabled",
            "trackId",
        )
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(fields, max_size=12))
def test_no_sequence_of_commands_raises_and_every_reply_is_json(sequence: list[dict[str, object]]) -> None:
    talk = Talk()
    for frame in sequence:
        for effect in talk.conversation.receive(msgspec.json.encode(frame).decode(), 0.0):
            if isinstance(effect, Send):
                assert "command" in msgspec.json.decode(effect.frame)
    talk.conversation.closed(sessions_stay=False)


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    assert Talk().conversation.receive(text, 0.0) == []


def test_lone_surrogates_and_huge_numbers_do_no_harm() -> None:
    talk = Talk()
    for body in (
        '{"command":"publish","streamId":"s1","subscriberId":"\\ud800"}',
        '{"command":"publish","streamId":"\\ud800"}',
        '{"command":"forceStreamQuality","streamId":"s1","streamHeight":1e999}',
        '{"command":"forceStreamQuality","streamId":"s1","streamHeight":' + "9" * 5_000 + "}",
    ):
        talk.conversation.receive(body, 0.0)
