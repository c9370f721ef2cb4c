"""What becomes of one socket's sessions: answers of nodes, events, time and leaving, in whatever order they come."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.websocket.domain.effects import Accept, End, ExpireLater, Forget, GiveUp, OpenViewer, Wait
from tests.unit.signaling.talk import EDGE, FULL, Talk, definitions


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
    session = talk.offering()

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


@pytest.mark.parametrize("kind", ["pranswer", "rollback", "OFFER", "", None, 5])
def test_what_is_no_offer_and_no_answer_is_refused_in_words_and_the_session_goes_on(kind: object) -> None:
    talk = Talk()
    talk.opened(talk.opening())

    effects = talk.send("takeConfiguration", streamId="s1", type=kind, sdp="v=0")
    of_nothing = talk.send("takeConfiguration", streamId="s2", type=kind, sdp="v=0")

    assert definitions(effects) == ["notSetRemoteDescription"]
    assert of_nothing == []
    assert talk.tally.refused == ["unexpected_configuration"] * 2
    assert [type(one) for one in talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")] == [Accept]


def test_a_publisher_has_not_started_when_it_is_only_connected() -> None:
    talk = Talk()
    session = talk.offering()
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


@pytest.mark.parametrize("opened_elsewhere", [False, True])
def test_a_node_that_answered_too_late_does_not_end_the_session_at_another_one(opened_elsewhere: bool) -> None:
    talk = Talk()
    session = talk.opening()
    late = SessionChanged(
        session=session, node=NodeId("edge-2"), state=SessionState.CLOSED, reason=EndReason.NOT_ANSWERED
    )
    if opened_elsewhere:
        talk.opened(session)

    assert talk.conversation.sessions.changed(late, 0.0) == []
    if not opened_elsewhere:
        talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    assert definitions(talk.changed(session, SessionState.CONNECTED)) == ["play_started"]


def test_a_fault_of_the_server_is_told_before_the_end() -> None:
    talk = Talk()
    session = talk.running()

    effects = talk.changed(session, SessionState.CLOSED, reason=EndReason.PLANE_ERROR)

    assert definitions(effects) == ["server_error_check_logs", "play_finished"]


def test_the_end_of_one_subscription_is_not_the_end_of_the_session() -> None:
    talk = Talk()
    session = talk.running()

    over = SessionChanged(session=session, node=EDGE, subscription=1, reason=EndReason.STREAM_ENDED)

    assert talk.conversation.sessions.changed(over, 0.0) == []
    assert definitions(talk.changed(session, SessionState.CLOSED, reason=EndReason.STREAM_ENDED)) == ["play_finished"]


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


def test_an_edge_that_drains_serves_its_viewer_until_the_next_one_does() -> None:
    talk = Talk()
    former = talk.running()

    moved = talk.changed(former, SessionState.CLOSED, reason=EndReason.DRAINING)
    successor = next(effect.session for effect in moved if isinstance(effect, OpenViewer))
    assert not [effect for effect in moved if isinstance(effect, End)]
    talk.opened(successor)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    started = talk.changed(successor, SessionState.CONNECTED)

    assert [effect for effect in started if isinstance(effect, End)] == [
        End(session=former, node=EDGE, reason=EndReason.REPLACED)
    ]
    assert definitions(started) == []
    assert not [one for one in talk.changed(successor, SessionState.MEDIA) if isinstance(one, End)], "only once"


def test_an_answer_that_the_edge_calls_bad_too_late_does_not_end_a_running_session() -> None:
    talk = Talk()
    session = talk.running()

    assert talk.conversation.sessions.answer_refused(session, FULL) == []
    assert definitions(talk.changed(session, SessionState.CLOSED, reason=EndReason.STREAM_ENDED)) == ["play_finished"]
