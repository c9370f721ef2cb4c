"""Closed words on the bus."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol


def test_a_reason_of_a_newer_version_does_not_hide_that_the_session_is_over() -> None:
    event = b'{"session":"s","node":"n","state":"closed","reason":"sold_out"}'

    heard = msgspec.json.decode(event, type=SessionChanged)

    assert (heard.state, heard.reason) == (SessionState.CLOSED, EndReason.OTHER)


def test_every_reason_comes_back_as_itself() -> None:
    for reason in EndReason:
        event = SessionChanged(session=SessionId("s"), node=NodeId("n"), state=SessionState.CLOSED, reason=reason)
        assert msgspec.json.decode(msgspec.json.encode(event), type=SessionChanged) == event


def test_the_planes_reasons_are_words_of_ours() -> None:
    assert EndReason.OTHER not in [EndReason(reason.value) for reason in protocol.CloseReason]
