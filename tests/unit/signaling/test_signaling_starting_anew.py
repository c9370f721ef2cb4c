"""A client asks again for what it has, without a `stop`: what runs goes on until its description tells who asks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain.effects import (
    Accept,
    Admit,
    Effect,
    End,
    ExpireLater,
    Forget,
    GiveUp,
    LeaveBehind,
    Moved,
    OpenPublisher,
    OpenViewer,
    Reoffer,
    Send,
)
from services.signaling.websocket.domain.peers import peer_of
from services.signaling.websocket.domain.starting_anew import TWICE_S
from tests.unit.signaling.talk import EDGE, STREAM, Talk, definitions

FIRST = "v=0\r\na=fingerprint:sha-256 AA:BB\r\n"
SECOND = FIRST.replace("AA", "CC")
LATER = 20.0
OTHER_EDGE = NodeId("edge-2")


class Watcher(Talk):
    """A viewer, which plays in its first peer connection."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.asks = True
        admit = self.send("play", streamId=STREAM)[0]
        assert isinstance(admit, Admit)
        self.first = admit.session
        self.admitted(self.first, held=held)
        self.opened(self.first)
        self.send("takeConfiguration", streamId=STREAM, type="answer", sdp=FIRST)
        self.changed(self.first, SessionState.CONNECTED)

    def again(self, now: float = LATER) -> SessionId:
        """It asks again. The session that is opened."""
        return next(e.session for e in self.send("play", now, streamId=STREAM) if isinstance(e, OpenViewer))

    def offered(self, session: SessionId, node: NodeId = EDGE) -> list[Effect]:
        return self.conversation.sessions.opened(SessionAnswer(session=session, node=node, sdp="v=0"))

    def answers(self, sdp: str) -> list[Effect]:
        return self.send("takeConfiguration", LATER, streamId=STREAM, type="answer", sdp=sdp)

    def closed(self, session: SessionId, reason: EndReason) -> list[Effect]:
        return self.changed(session, SessionState.CLOSED, LATER, reason)


class Camera(Talk):
    """A publisher, which publishes in its first peer connection."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.asks = True
        admit = self.send("publish", streamId=STREAM)[0]
        assert isinstance(admit, Admit)
        self.first = admit.session
        self.admitted(self.first, held=held)
        self.offers(FIRST, 0.0)
        self.opened(self.first)
        self.changed(self.first, SessionState.MEDIA)

    def offers(self, sdp: str, now: float = LATER) -> list[Effect]:
        return self.send("takeConfiguration", now, streamId=STREAM, type="offer", sdp=sdp)


def kinds(effects: Sequence[Effect]) -> list[type[Effect]]:
    return [type(effect) for effect in effects]


# ---- viewers


def test_a_viewer_that_plays_is_offered_another_session_and_keeps_its_own_meanwhile() -> None:
    talk = Watcher()

    asked = talk.send("play", LATER, streamId=STREAM)

    assert kinds(asked) == [OpenViewer, ExpireLater]
    assert isinstance(asked[0], OpenViewer)
    assert asked[0].anew
    assert definitions(talk.offered(asked[0].session)) == ["takeConfiguration"]
    assert definitions(talk.closed(talk.first, EndReason.STREAM_ENDED)) == ["play_finished"]


@pytest.mark.parametrize("held", [False, True])
def test_the_answer_of_another_peer_connection_ends_the_former_session_once(held: bool) -> None:
    talk = Watcher(held=held)
    second = talk.again()
    talk.offered(second, OTHER_EDGE)

    effects = talk.answers(SECOND)

    end = End(session=talk.first, node=EDGE, reason=EndReason.REPLACED)
    accept = Accept(role=Role.PLAY, session=second, node=OTHER_EDGE, sdp_answer=SECOND)
    assert effects == [
        *([Moved(talk.first, second, OTHER_EDGE, anew=True)] if held else []),
        end,
        Forget(talk.first),
        accept,
    ]
    assert talk.closed(talk.first, EndReason.REPLACED) == [], "nothing is told of it any more"
    event = SessionChanged(session=second, node=OTHER_EDGE, state=SessionState.CONNECTED)
    assert definitions(talk.conversation.sessions.changed(event, LATER)) == ["play_started"]


def test_the_answer_of_the_same_peer_connection_is_sent_away_to_connect_anew() -> None:
    """Ant Media's JavaScript SDK keeps its peer connection when a page calls `play` twice. It connects anew then."""
    talk = Watcher()
    second = talk.again()
    talk.offered(second)

    effects = talk.answers(FIRST)

    assert effects[:2] == [End(session=second, node=EDGE, reason=EndReason.ABANDONED), Forget(second)]
    assert definitions(effects) == ["already_playing", "server_will_stop"]
    assert definitions(talk.closed(talk.first, EndReason.STREAM_ENDED)) == ["play_finished"], "it is still there"


def test_the_same_peer_connection_goes_on_at_an_edge_with_another_certificate() -> None:
    """It shakes hands anew there, as a viewer does that moves."""
    talk = Watcher()
    second = talk.again()
    offer = SessionAnswer(session=second, node=OTHER_EDGE, sdp="v=0\r\na=fingerprint:sha-256 EE")
    talk.conversation.sessions.opened(offer)

    effects = talk.answers(FIRST)

    assert kinds(effects) == [End, Forget, Accept]
    assert isinstance(effects[0], End)
    assert effects[0].session == talk.first


@pytest.mark.parametrize("sdp", ["v=0", "v=0\r\na=fingerprint:sha-256 CC:BB"])
def test_who_does_not_say_who_it_is_begins_anew(sdp: str) -> None:
    talk = Watcher()
    second = talk.again()
    talk.offered(second)
    assert any(isinstance(effect, Accept) for effect in talk.answers(sdp))


def test_a_viewer_that_clicks_twice_is_told_so_and_keeps_what_it_has() -> None:
    talk = Talk()
    talk.opening()
    assert definitions(talk.send("play", TWICE_S - 0.1, streamId=STREAM)) == ["already_playing"]
    assert definitions(Watcher().send("play", TWICE_S - 0.1, streamId=STREAM)) == ["already_playing"]


def test_a_viewer_that_never_connected_begins_anew_at_once() -> None:
    talk = Talk()
    first = talk.opening()
    talk.opened(first)
    again = talk.send("play", TWICE_S, streamId=STREAM)
    assert kinds(again) == [End, Forget, OpenViewer, ExpireLater]
    assert isinstance(again[0], End)
    assert (again[0].session, again[0].reason) == (first, EndReason.REPLACED)


def test_a_viewer_whose_edge_has_not_answered_gives_it_up_and_ends_what_it_opens() -> None:
    talk = Talk()
    first = talk.opening()
    assert kinds(talk.send("play", TWICE_S, streamId=STREAM)) == [GiveUp, OpenViewer, ExpireLater]
    assert kinds(talk.opened(first)) == [End, Forget]


def test_asking_a_third_time_takes_the_place_of_the_second() -> None:
    talk = Watcher()
    second = talk.again()
    talk.offered(second)
    assert definitions(talk.send("play", LATER + 0.5, streamId=STREAM)) == ["already_playing"]
    third = talk.send("play", LATER + TWICE_S, streamId=STREAM)
    assert kinds(third) == [End, Forget, OpenViewer, ExpireLater]
    assert isinstance(third[0], End)
    assert (third[0].session, third[0].reason) == (second, EndReason.ABANDONED)


@pytest.mark.parametrize("reason", [EndReason.CONSENT_EXPIRED, EndReason.DTLS_CLOSED])
def test_the_end_of_the_former_peer_connection_is_not_told_to_who_begins_anew(reason: EndReason) -> None:
    talk = Watcher(held=True)
    second = talk.again()
    talk.offered(second)
    assert talk.closed(talk.first, reason) == [Moved(talk.first, second, EDGE, anew=True), Forget(talk.first)]
    assert kinds(talk.answers(FIRST)) == [Accept]


@pytest.mark.parametrize("reason", [EndReason.STREAM_ENDED, EndReason.USER_BLOCKED])
def test_other_ends_of_the_former_session_end_both(reason: EndReason) -> None:
    talk = Watcher(held=True)
    second = talk.again()
    talk.offered(second)
    effects = talk.closed(talk.first, reason)
    assert effects[0] == End(session=second, node=EDGE, reason=EndReason.ABANDONED)
    assert definitions(effects)[-1] == "play_finished"
    assert talk.conversation.sessionless


def test_a_refusal_or_an_end_of_the_new_session_is_told_and_the_former_one_goes_on() -> None:
    for happens in ("refused", "closed", "late"):
        talk = Watcher()
        second = talk.again()
        if happens == "refused":
            error = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
            effects = talk.conversation.sessions.refused(second, error)
        elif happens == "closed":
            talk.offered(second)
            effects = talk.closed(second, EndReason.DRAINING)
        else:
            talk.offered(second)
            effects = talk.conversation.sessions.expired(second)
        assert len(definitions(effects)) == 1
        assert Forget(second) in effects
        assert definitions(talk.closed(talk.first, EndReason.STREAM_ENDED)) == ["play_finished"], happens


def test_an_edge_that_dies_takes_the_new_session_with_it() -> None:
    talk = Watcher()
    second = talk.again()
    talk.offered(second, OTHER_EDGE)
    assert talk.conversation.uses(OTHER_EDGE)
    gone = talk.conversation.sessions.node_gone(OTHER_EDGE, LATER)
    assert gone == [LeaveBehind(second, OTHER_EDGE), Forget(second)]
    assert not talk.conversation.uses(OTHER_EDGE)


@pytest.mark.parametrize("ends", ["stop", "close"])
def test_leaving_ends_both_sessions(ends: str) -> None:
    talk = Watcher()
    second = talk.again()
    talk.offered(second)
    effects = talk.send("stop", streamId=STREAM) if ends == "stop" else talk.conversation.closed(sessions_stay=False)
    assert [effect.session for effect in effects if isinstance(effect, End)] == [second, talk.first]
    assert talk.conversation.idle


def test_what_the_viewer_wished_is_told_to_the_edge_of_its_new_session() -> None:
    talk = Watcher()
    talk.send("forceStreamQuality", streamId=STREAM, streamHeight=360)
    second = talk.again()
    talk.offered(second)
    talk.answers(SECOND)
    effects = talk.changed(second, SessionState.CONNECTED)
    assert [type(effect).__name__ for effect in effects] == ["Send", "Select"]


# ---- publishers


def test_a_publisher_that_asks_again_may_offer_at_once_and_its_session_goes_on() -> None:
    talk = Camera()
    asked = talk.send("publish", 1.0, streamId=STREAM)
    assert definitions(asked) == ["start"]
    assert kinds(asked) == [Send]


@pytest.mark.parametrize("held", [False, True])
def test_the_offer_of_another_peer_connection_begins_the_session_anew_and_keeps_the_stream(held: bool) -> None:
    talk = Camera(held=held)
    talk.send("publish", LATER, streamId=STREAM)

    effects = talk.offers(SECOND)

    opened = next(effect for effect in effects if isinstance(effect, OpenPublisher))
    end = End(session=talk.first, node=EDGE, reason=EndReason.REPLACED, keep_stream_s=10.0)
    moved: list[Effect] = [Moved(talk.first, opened.session, anew=True)] if held else []
    assert effects == [*moved, end, Forget(talk.first), opened, ExpireLater(opened.session, 10.0)]
    assert (opened.sdp_offer, opened.anew) == (SECOND, True)
    assert definitions(talk.opened(opened.session)) == ["takeConfiguration"]
    assert definitions(talk.changed(opened.session, SessionState.MEDIA)) == ["publish_started"]
    assert talk.changed(talk.first, SessionState.CLOSED, reason=EndReason.REPLACED) == []


def test_the_offer_of_the_same_peer_connection_goes_to_its_session() -> None:
    talk = Camera()
    talk.send("publish", LATER, streamId=STREAM)
    again = FIRST + "a=ice-ufrag:another\r\n"
    assert talk.offers(again) == [Reoffer(session=talk.first, node=EDGE, sdp_offer=again)]


def test_a_publisher_that_changes_its_peer_connection_without_asking_is_answered_too() -> None:
    assert OpenPublisher in kinds(Camera().offers(SECOND))


def test_a_second_peer_connection_takes_over_while_the_first_is_being_opened() -> None:
    talk = Talk()
    first = talk.offering(FIRST)
    effects = talk.send("takeConfiguration", LATER, streamId=STREAM, type="offer", sdp=SECOND)
    assert kinds(effects) == [GiveUp, OpenPublisher, ExpireLater]
    assert kinds(talk.opened(first)) == [End, Forget]


def test_a_publisher_that_clicks_twice_is_told_so_until_it_was_answered() -> None:
    talk = Talk()
    assert definitions(talk.send("publish", streamId=STREAM)) == ["start"]
    assert definitions(talk.send("publish", 0.1, streamId=STREAM)) == ["already_publishing"]
    assert definitions(talk.send("publish", TWICE_S, streamId=STREAM)) == ["start"]


@pytest.mark.parametrize("command", ["publish", "play"])
def test_who_shows_something_else_is_asked_about_anew_and_its_session_ends(command: str) -> None:
    talk = Camera() if command == "publish" else Watcher()
    effects = talk.send(command, LATER, streamId=STREAM, token="renewed")
    assert kinds(effects) == [End, Forget, Admit]
    assert isinstance(effects[0], End)
    assert (effects[0].session, effects[0].reason) == (talk.first, EndReason.REPLACED)


@pytest.mark.parametrize("command", ["publish", "play"])
def test_who_is_being_asked_about_is_told_so_or_asked_about_with_what_it_shows_now(command: str) -> None:
    talk = Talk()
    talk.asks = True
    admit = talk.send(command, streamId=STREAM)[0]
    assert isinstance(admit, Admit)
    assert definitions(talk.send(command, LATER, streamId=STREAM))[0].startswith("already_")
    assert kinds(talk.send(command, LATER, streamId=STREAM, token="x")) == [GiveUp, Admit]


def test_a_full_socket_does_not_lose_what_it_has_by_asking_otherwise() -> None:
    talk = Talk(max_streams=1)
    talk.running()
    talk.asks = True
    talk.send("play", streamId="s2")
    assert definitions(talk.send("play", LATER, streamId=STREAM, token="x")) == ["highResourceUsage"]
    assert definitions(talk.send("stop", streamId=STREAM)) == ["play_finished"]


# ---- who a description is of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (FIRST, FIRST.lower(), True),
        (FIRST, FIRST.replace(":sha", ": sha").replace("\r\n", "\n"), True),
        (FIRST, f"{FIRST}m=video 9 x 96\r\n{FIRST[5:]}", True),
        (FIRST, SECOND, False),
        (FIRST, "v=0", False),
        (FIRST, f"{FIRST}{SECOND[5:]}", False),
    ],
)
def test_a_peer_connection_is_told_by_its_certificates(one: str, other: str, same: bool) -> None:
    assert (peer_of(one) == peer_of(other)) is same


def test_a_description_without_end_is_compared_within_a_bound() -> None:
    assert len(peer_of("a=fingerprint:x " + "y" * 100_000)) <= 512
    assert msgspec.json.encode(peer_of(FIRST)) == b'"sha-256 aa:bb"'
