"""Nodes of one version of the protocol understand each other, and nodes of two say that they don't."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import PlayRequest, SessionAnswer
from rillcast.contracts.subjects import edge_play
from rillcast.contracts.version import PROTOCOL_VERSION, UNSAID_VERSION
from rillcast.runtime.bus.envelope import decode_answer
from rillcast.testing.bus import FakeBroker, FakeBus
from tests.unit.contracts.recorded_protocol import RECORDED, breaks, shapes

EDGE = NodeId("edge-1")
PLAY_OF_VERSION_1 = b'{"app": "live", "stream": "s1", "session": "00", "signaling": "signaling-1", "sdp_offer": null}'


def test_what_a_node_of_the_same_version_says_is_understood() -> None:
    found = breaks(json.loads(RECORDED.read_text()), shapes())
    assert not found, "this needs another PROTOCOL_VERSION, or a shape that nodes of this one understand"


def test_what_was_added_to_a_version_is_recorded() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert shapes() == recorded, "record it: python -m tests.unit.contracts.recorded_protocol"


def struct(required: tuple[str, ...] = ("a",), **fields: Any) -> dict[str, Any]:
    return {"S": {"type": "object", "properties": {"a": {"type": "string"}, **fields}, "required": list(required)}}


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (struct(), []),
        (struct(b={"type": "integer"}), []),
        (struct(("a", "b"), b={"type": "integer"}), ["S.b has to be there now"]),
        (struct(a={"type": "integer"}), ['S.a was {"type": "string"} and is {"type": "integer"}']),
        ({"S": {"type": "object", "properties": {}, "required": []}}, ["S.a is gone"]),
        ({}, ["S is gone"]),
    ],
)
def test_what_is_not_understood_is_noticed(now: dict[str, Any], words: list[str]) -> None:
    assert breaks(struct(), now) == words


@pytest.mark.parametrize(
    ("name", "now", "words"),
    [
        ("Word", ["a"], ["Word has lost the word 'b'"]),
        ("Word", ["a", "b", "c"], ["Word has a word that others don't know: 'c'"]),
        ("EndReason", ["a", "b", "c"], []),
    ],
)
def test_a_word_that_is_not_known_is_noticed(name: str, now: list[str], words: list[str]) -> None:
    assert breaks({name: {"enum": ["a", "b"]}}, {name: {"enum": now}}) == words


async def test_a_play_request_as_version_1_had_it_is_refused_in_words_that_name_both_versions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    edge = FakeBus(FakeBroker())
    heard: list[PlayRequest] = []

    async def play(request: PlayRequest) -> SessionAnswer:
        heard.append(request)
        return SessionAnswer(session=request.session, node=EDGE, sdp="")

    await edge.serve(edge_play(EDGE), PlayRequest, play)
    found = edge.broker.pick(edge_play(EDGE))
    assert found is not None
    answer = await found[0](edge_play(EDGE), PLAY_OF_VERSION_1, 3.0, UNSAID_VERSION)

    with pytest.raises(RillcastError) as refusal:
        decode_answer(answer, SessionAnswer)
    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE, "so that another node is asked"
    assert f"version {PROTOCOL_VERSION} of the protocol" in refusal.value.message
    assert f"the other side version {UNSAID_VERSION}" in refusal.value.message
    assert heard == []
    assert "Traceback" not in caplog.text
    await edge.close()
