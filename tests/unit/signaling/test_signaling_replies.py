"""Refusals as Ant Media's clients read them."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.signaling.websocket.domain import replies

OURS = {
    ErrorCode.NO_NODE_AVAILABLE: "highResourceUsage",
    ErrorCode.SEAT_REFUSED: "highResourceUsage",
    ErrorCode.UNKNOWN_SESSION: "server_error_check_logs",
    ErrorCode.BAD_REQUEST: "server_error_check_logs",
    ErrorCode.UNKNOWN_APP: "not_initialized_yet",
}
"""Codes that those clients do not know, and what they get instead."""
WITHOUT_WORDS = {ErrorCode.NO_STREAM_NAME, ErrorCode.INVALID_STREAM_NAME}
"""Ant Media says no more of these than the definition."""


@pytest.mark.parametrize("code", ErrorCode)
def test_every_refusal_has_a_definition_that_the_clients_know_and_words(code: ErrorCode) -> None:
    frame = msgspec.json.decode(replies.error(RillcastError(code, "because"), "s1"))

    words = {} if code in WITHOUT_WORDS else {"information": "because"}
    assert frame == {"command": "error", "definition": OURS.get(code, code.value), **words, "streamId": "s1"}


def test_a_refusal_that_is_about_no_stream_names_none() -> None:
    assert "streamId" not in msgspec.json.decode(replies.error(RillcastError(ErrorCode.NO_STREAM_NAME, "which?")))


def test_only_the_answer_to_play_makes_the_player_wait() -> None:
    waits, asks = msgspec.json.decode(replies.no_stream("s1")), msgspec.json.decode(replies.no_stream_info("s1"))

    assert waits.pop("information") == "stream_not_exist_or_not_streaming"
    assert waits == asks


def test_a_description_carries_what_the_sdks_read() -> None:
    frame = msgspec.json.decode(replies.configuration("s1", "offer", "v=0", {"0": "ARDAMSvs1"}, "me"))

    assert frame == {
        "command": "takeConfiguration",
        "streamId": "s1",
        "type": "offer",
        "sdp": "v=0",
        "idMapping": {"0": "ARDAMSvs1"},
        "linkSession": "",
        "subscriberId": "me",
    }
