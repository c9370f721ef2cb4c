"""How `publish` and `play` begin: who must be asked about, who is let in, and what comes too early."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import Role
from services.signaling.websocket.domain.effects import Admit, GiveUp, OpenPublisher, Send
from tests.unit.signaling.talk import Talk, definitions


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


def test_while_it_is_asked_about_a_client_cannot_publish_twice_and_may_stop() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("publish", streamId="s1")[0]
    assert isinstance(asked, Admit)

    assert definitions(talk.send("publish", streamId="s1")) == ["already_publishing"]
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


def test_an_offer_that_comes_before_the_client_is_let_in_is_kept_until_then() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("publish", streamId="s1")[0]
    assert isinstance(asked, Admit)

    assert talk.send("takeConfiguration", streamId="s1", type="offer", sdp="first") == []
    assert talk.send("takeConfiguration", streamId="s1", type="offer", sdp="second") == []
    effects = talk.admitted(asked.session)

    assert definitions(effects) == ["start"]
    assert [effect.sdp_offer for effect in effects if isinstance(effect, OpenPublisher)] == ["second"]
    assert talk.tally.refused == []


def test_an_early_offer_of_a_client_that_is_not_let_in_opens_nothing() -> None:
    talk = Talk()
    talk.asks = True
    asked = talk.send("publish", streamId="s1")[0]
    assert isinstance(asked, Admit)
    talk.send("takeConfiguration", streamId="s1", type="offer", sdp="v=0")

    refused = talk.conversation.entrance.denied(asked.session, RillcastError(ErrorCode.UNAUTHORIZED, "no"))

    assert [type(effect) for effect in refused] == [Send]
    assert talk.conversation.idle
