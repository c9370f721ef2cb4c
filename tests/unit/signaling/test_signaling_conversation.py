"""Conversations with input that nobody foresaw: nothing raises, and every reply is a frame."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.signaling.websocket.domain.effects import Send
from tests.unit.signaling.talk import Talk

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
        "firstFrame",
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
            "firstFrameMs",
            "tellsFirstFrame",
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
