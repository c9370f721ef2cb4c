"""Publishers that go on at another origin in their peer connection: what their socket decides."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import FormerSession, SessionAnswer
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    Forget,
    LeaveBehind,
    MoveAgain,
    Moved,
    MovePublisher,
    OfferThen,
    Send,
)
from services.signaling.websocket.domain.kept_offers import MAX_OFFER
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.publisher_moves import MOST_IN_A_ROW, SOON_S
from services.signaling.websocket.domain.two_offers import REACH_S
from tests.unit.signaling.moving_publisher import LEAVE, NEW, NEXT, OLD, Moving, kinds
from tests.unit.signaling.talk import FULL, STREAM, Talk, definitions

NOBODY = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "no origin")


@pytest.mark.parametrize("how", [Moving.drains, Moving.dies])
def test_a_publisher_whose_origin_goes_is_offered_another_one_and_hears_nothing_else(
    how: Callable[[Moving], list[Effect]],
) -> None:
    talk = Moving("v=0 of the client")

    begun = how(talk)
    session = talk.session
    offered = talk.opens(session, NEW)
    accepted = talk.answers()
    moved = talk.event(session, NEW, SessionState.MEDIA, now=0.25)

    (move, _) = begun
    assert isinstance(move, MovePublisher)
    assert (move.session, move.sdp_offer, move.name) == (session, "v=0 of the client", "my stream")
    assert definitions(offered) == ["takeConfiguration"]
    assert accepted == [Accept(role=Role.PUBLISH, session=session, node=NEW, sdp_answer="v=0 answer")]
    assert definitions(moved) == []
    assert moved[-1] == Forget(talk.first)
    assert (LeaveBehind(talk.first, OLD) in moved) == (how is Moving.dies)
    assert talk.tally.moves == ["moved"]
    assert (talk.slot.session, talk.slot.node, talk.slot.phase) == (session, NEW, Phase.RUNNING)


def test_who_has_moved_is_a_publisher_like_any_other() -> None:
    talk = Moving()
    talk.drains()
    second = talk.answered()
    talk.event(second, NEW, SessionState.MEDIA)

    assert talk.event(talk.first, OLD, SessionState.CLOSED, EndReason.REPLACED) == []
    assert kinds(talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0 again")) == ["Reoffer"]
    talk.dies(NEW)
    third = talk.answered(NEXT)
    talk.event(third, NEXT, SessionState.MEDIA)
    assert talk.slot.session == third
    assert definitions(talk.send("stop", streamId="s1")) == ["publish_finished"]
    assert talk.conversation.idle
    assert talk.conversation._slots.kept.size == 0


def test_what_is_held_for_a_publisher_goes_along_when_it_has_moved_and_not_before() -> None:
    talk = Moving()
    talk.slot.held = True

    begun = talk.drains()
    second = talk.answered()
    moved = talk.event(second, NEW, SessionState.MEDIA)

    assert not [effect for effect in begun if isinstance(effect, Moved)]
    assert moved[:1] == [Moved(talk.first, second, NEW)]
    assert moved.index(Forget(talk.first)) > 0
    assert talk.slot.held


def test_a_publisher_that_waited_for_its_beginning_hears_that_it_began() -> None:
    talk = Talk()
    first = talk.offering()
    talk.opened(first)
    talk.conversation.sessions.node_gone(NodeId("edge-1"), 0.0)
    slot = talk.conversation._slots.of(Role.PUBLISH, STREAM)
    assert slot is not None
    assert slot.successor is not None
    second = slot.successor.session
    talk.opened(second)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    assert definitions(talk.changed(second, SessionState.MEDIA, now=1.5)) == ["publish_started"]
    assert talk.tally.joins == [("publish", "ok", 1.5)]


# ---- two offers


def test_while_the_old_origin_takes_the_media_the_client_looks_for_its_way_first() -> None:
    talk = Moving()
    (move, _) = talk.drains()
    session = talk.session
    talk.conversation.sessions.opened(SessionAnswer(session=session, node=NEW, sdp="v=0 first", sdp_then="v=0 second"))
    accept, later = talk.answers()
    second = talk.conversation.sessions.offer_then(session)

    assert isinstance(move, MovePublisher)
    assert move.sdp_answered == f"v=0 of {OLD}"
    assert isinstance(accept, Accept)
    assert later == OfferThen(session, REACH_S)
    assert [msgspec.json.decode(e.frame)["sdp"] for e in second if isinstance(e, Send)] == ["v=0 second"]
    assert talk.answers() == [], "its node knows all of it"
    assert talk.tally.refused == []
    assert talk.conversation.sessions.offer_then(session) == []
    talk.event(session, NEW, SessionState.MEDIA)
    assert talk.conversation.sessions.offer_then(session) == []
    kept = talk.conversation._slots.kept.of(session)
    assert kept is not None
    assert kept.answer == "v=0 second"


@pytest.mark.parametrize("kept", [True, False])
def test_a_publisher_may_keep_its_association_and_then_hears_one_offer(kept: bool) -> None:
    talk = Moving()
    (move, _) = talk.drains(association="secret")
    session = talk.session
    two = SessionAnswer(session=session, node=NEW, sdp="v=0 first", sdp_then="v=0 second", keeps_association=True)
    talk.conversation.sessions.opened(two)

    (accept,) = talk.answers()
    second = [] if kept else talk.reaches(session, NEW)
    talk.event(session, NEW, SessionState.MEDIA)

    assert isinstance(move, MovePublisher)
    assert move.former == FormerSession(node=OLD, session=talk.first, association="secret")
    assert isinstance(accept, Accept)
    assert len(second) == (not kept)
    assert talk.reaches(session, NEW) == []
    answered = talk.conversation._slots.kept.of(session)
    assert answered is not None
    assert answered.answer == ("v=0 first" if kept else "v=0 second"), "what its next move keeps"
    assert talk.slot.offer == ""


def test_an_origin_that_is_gone_hands_nothing_over() -> None:
    talk = Moving()
    talk.drains(association="secret")
    talk.conversation.sessions.refused(talk.session, FULL)

    (move, _) = talk.dies()

    assert isinstance(move, MovePublisher)
    assert (move.sdp_answered, move.former) == ("", None)


def test_the_answer_of_a_viewer_on_the_same_socket_goes_to_its_edge() -> None:
    talk = Moving()
    talk.drains()
    session = talk.session
    talk.conversation.sessions.opened(SessionAnswer(session=session, node=NEW, sdp="v=0", sdp_then="v=0 then"))
    talk.answers()
    talk.conversation.sessions.offer_then(session)
    viewer = talk.opening()
    talk.opened(viewer)

    (accept,) = talk.answers()

    assert isinstance(accept, Accept)
    assert (accept.role, accept.session) == (Role.PLAY, viewer)
    assert talk.answers() == []


def test_a_client_whose_origin_is_gone_has_nothing_to_wait_for() -> None:
    talk = Moving()

    (move, _) = talk.dies()

    assert isinstance(move, MovePublisher)
    assert move.sdp_answered == ""
    assert kinds(talk.opens(talk.session, NEW)) == ["Send", "ExpireLater"]
    assert kinds(talk.answers()) == ["Accept"]


def test_a_move_that_is_over_makes_no_second_offer() -> None:
    talk = Moving()
    talk.drains()
    session = talk.session
    talk.conversation.sessions.opened(SessionAnswer(session=session, node=NEW, sdp="v=0", sdp_then="v=0 then"))
    talk.answers()
    talk.send("stop", streamId="s1")

    assert talk.conversation.sessions.offer_then(session) == []


# ---- moves that come to nothing


@pytest.mark.parametrize(
    ("outcome", "how"),
    [
        ("refused", lambda talk: talk.conversation.sessions.refused(talk.session, NOBODY)),
        ("no_answer", lambda talk: talk.conversation.sessions.expired(talk.offered())),
        ("bad_answer", lambda talk: talk.conversation.sessions.answer_refused(talk.answered(), NOBODY)),
        ("not_connected", lambda talk: talk.conversation.sessions.expired(talk.answered())),
        (
            "not_connected",
            lambda talk: talk.event(talk.answered(), NEW, SessionState.CLOSED, EndReason.HANDSHAKE_TIMEOUT),
        ),
        ("not_connected", lambda talk: talk.event(talk.answered(), NEW, SessionState.CLOSED, EndReason.IN_USE)),
    ],
)
def test_whose_move_comes_to_nothing_is_asked_to_come_back(outcome: str, how: Callable[[Moving], list[Effect]]) -> None:
    talk = Moving()
    talk.dies()

    effects = how(talk)

    assert definitions(effects) == [LEAVE]
    assert talk.tally.moves == [outcome]
    assert (talk.slot.session, talk.slot.phase, talk.slot.successor) == (talk.first, Phase.RUNNING, None)
    assert "publish_finished" in definitions(talk.send("stop", streamId="s1"))
    assert talk.conversation.idle


def test_a_session_that_came_to_nothing_is_ended_at_the_new_origin() -> None:
    talk = Moving()
    talk.drains()
    session = talk.offered()

    effects = talk.conversation.sessions.expired(session)

    (end,) = [effect for effect in effects if isinstance(effect, End)]
    assert (end.session, end.node, end.reason) == (session, NEW, EndReason.START_TIMEOUT)
    assert end.keep_stream_s == talk.slot.start_timeout_s > 0, "it may have the stream already"
    assert Forget(session) in effects
    assert talk.answers() == []
    assert talk.tally.refused == ["unexpected_configuration"]


def test_a_long_offer_is_not_kept_and_its_publisher_is_asked_to_come_back() -> None:
    talk = Moving("v=0" + "x" * MAX_OFFER)

    assert definitions(talk.dies()) == [LEAVE]
    assert talk.tally.moves == ["no_offer"]
    assert talk.conversation._slots.kept.size == 0


def test_where_no_origin_has_room_the_media_stays_at_the_one_that_drains() -> None:
    talk = Moving()
    talk.drains()

    full = talk.conversation.sessions.refused(talk.session, FULL)

    assert definitions(full) == []
    assert [effect for effect in full if isinstance(effect, MoveAgain)] == [MoveAgain(talk.first, 2.0)]
    assert kinds(talk.conversation.sessions.move_again(talk.first, 2.0))[0] == "MovePublisher"
    talk.event(talk.answered(), NEW, SessionState.MEDIA)
    assert talk.conversation.sessions.move_again(talk.first, 4.0) == []
    assert talk.tally.moves == ["refused", "moved"]


def test_where_no_origin_has_room_and_the_own_one_is_gone_the_client_has_to_come_back() -> None:
    talk = Moving()
    talk.drains()
    talk.dies()

    for _ in range(MOST_IN_A_ROW - 1):
        refused = talk.conversation.sessions.refused(talk.session, FULL)
        assert [effect for effect in refused if isinstance(effect, MoveAgain)] == [MoveAgain(talk.first, SOON_S)]
        talk.conversation.sessions.move_again(talk.first, 1.0)
    assert definitions(talk.conversation.sessions.refused(talk.session, FULL)) == [LEAVE]
