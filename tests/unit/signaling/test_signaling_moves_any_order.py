"""Moves of publishers in whatever order things happen."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.websocket.domain.effects import (
    End,
    ExpireLater,
    GiveUp,
    Reoffer,
)
from services.signaling.websocket.domain.publisher_moves import MOST_IN_A_ROW
from tests.unit.signaling.moving_publisher import LEAVE, NEW, NEXT, OLD, Moving, kinds
from tests.unit.signaling.talk import definitions

# ---- in whatever order


def test_origins_that_go_one_after_the_other_are_followed_by_others_but_not_for_ever() -> None:
    talk = Moving()
    talk.dies()
    for number in range(1, MOST_IN_A_ROW):
        talk.answered(NodeId(f"next-{number}"))
        assert kinds(talk.dies(NodeId(f"next-{number}")))[1] == "MovePublisher"
    talk.answered(NEXT)

    assert definitions(talk.drains(NEXT, talk.session)) == [LEAVE]
    assert talk.tally.moves == ["node_left"] * MOST_IN_A_ROW


def test_the_death_of_an_origin_that_drains_begins_no_second_move() -> None:
    talk = Moving()
    talk.drains()
    session = talk.session

    assert talk.dies() == []
    assert talk.drains() == []
    assert talk.session == session


def test_a_former_session_that_was_replaced_by_the_new_one_is_not_over_for_the_client() -> None:
    talk = Moving()
    talk.drains()
    session = talk.answered()

    assert talk.event(talk.first, OLD, SessionState.CLOSED, EndReason.REPLACED) == []
    assert definitions(talk.event(session, NEW, SessionState.MEDIA)) == []
    assert talk.slot.session == session


def test_a_former_session_that_was_replaced_by_somebody_else_is_over() -> None:
    talk = Moving()
    talk.drains()
    session = talk.offered()

    effects = talk.event(talk.first, OLD, SessionState.CLOSED, EndReason.REPLACED)

    assert definitions(effects) == ["publish_finished"]
    assert End(session=session, node=NEW, reason=EndReason.REPLACED) in effects
    assert talk.conversation.idle


@pytest.mark.parametrize("reason", [EndReason.STOPPED, EndReason.USER_BLOCKED])
def test_what_an_operator_ends_does_not_move(reason: EndReason) -> None:
    talk = Moving()
    talk.drains()
    session = talk.answered()

    turned_away = talk.event(session, NEW, SessionState.CLOSED, reason)
    ended = talk.event(talk.first, OLD, SessionState.CLOSED, reason)

    assert definitions(turned_away) == []
    assert definitions(ended)[-1] == "publish_finished"
    assert talk.conversation.idle
    assert talk.tally.moves == ["ended"]


@pytest.mark.parametrize("far", ["asked", "offered", "answered"])
def test_a_client_that_stops_meanwhile_leaves_nothing_at_either_origin(far: str) -> None:
    talk = Moving()
    talk.drains()
    session = talk.session
    if far == "offered":
        talk.offered()
    if far == "answered":
        talk.answered()

    effects = talk.send("stop", streamId="s1")

    assert definitions(effects) == ["publish_finished"]
    assert End(session=talk.first, node=OLD, reason=EndReason.STOPPED) in effects
    if far == "asked":
        assert GiveUp(session) in effects
        assert End(session=session, node=NEW, reason=EndReason.ABANDONED) in talk.opens(session, NEW)
    else:
        assert End(session=session, node=NEW, reason=EndReason.STOPPED) in effects
    assert talk.conversation.idle


def test_a_socket_that_closes_meanwhile_has_its_stream_kept_wherever_it_is() -> None:
    talk = Moving()
    talk.drains()
    session = talk.answered()

    effects = talk.conversation.closed(sessions_stay=False)

    kept = {effect.session: effect.keep_stream_s for effect in effects if isinstance(effect, End)}
    assert kept.keys() == {talk.first, session}
    assert all(seconds > 0 for seconds in kept.values())


def test_an_offer_of_the_client_is_refused_in_words_while_it_moves() -> None:
    talk = Moving()
    talk.drains()

    for step in (lambda: None, talk.offered, talk.answers):
        step()
        refused = talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0 mine")
        assert definitions(refused) == ["notSetRemoteDescription"]
    assert definitions(talk.event(talk.session, NEW, SessionState.MEDIA)) == []


def test_an_answer_of_the_former_origin_is_kept_from_a_client_that_has_taken_its_offer_back() -> None:
    talk = Moving()
    (reoffer,) = talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0 second")
    assert isinstance(reoffer, Reoffer)
    talk.drains()
    answer = SessionAnswer(session=talk.first, node=OLD, sdp="v=0")

    early = talk.conversation.sessions.reoffered(answer)
    talk.offered()
    late = talk.conversation.sessions.reoffered(answer)

    assert definitions(early) == ["takeConfiguration"]
    assert late == []
    kept = talk.conversation._slots.kept.of(talk.first)
    assert kept is not None
    assert kept.offer == "v=0 second"


def test_what_a_dead_origin_says_late_changes_nothing() -> None:
    talk = Moving()
    talk.dies()
    session = talk.answered()
    talk.event(session, NEW, SessionState.MEDIA)

    for state in SessionState:
        assert talk.event(talk.first, OLD, state, EndReason.OTHER) == []
    assert talk.slot.session == session


def test_the_socket_is_concerned_by_both_of_its_origins() -> None:
    talk = Moving()
    talk.drains()
    talk.answered()

    assert talk.conversation.uses(OLD)
    assert talk.conversation.uses(NEW)
    assert not talk.conversation.uses(NEXT)


def test_every_move_has_an_end() -> None:
    talk = Moving()
    begun = talk.dies()
    offered = talk.opens(talk.session, NEW)

    assert [e.session for e in [*begun, *offered] if isinstance(e, ExpireLater)] == [talk.session] * 2
