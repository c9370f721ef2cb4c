"""Any JSON object in any phase of a session: nothing raises, the socket lives, and there is an answer, something is
asked of the cluster, or the table of the commands says that there is silence."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.command_table import ROWS
from services.signaling.websocket.domain.effects import Send
from tests.unit.signaling.talk import Talk
from tests.unit.signaling.test_signaling_commands import PUBLISHER, VIEWER, publisher, rows, viewer

KEPT_OR_IGNORED = {"takeConfiguration", "takeCandidate", "stop"} | {
    "forceStreamQuality",
    "toggleVideo",
    "toggleAudio",
    "enableTrack",
    "firstFrame",
}
"""Of which the table says that the client may hear nothing."""
PHASES = sorted(
    {(who, phase) for who, table in (("viewer", VIEWER), ("publisher", PUBLISHER)) for _, phase, _ in rows(table)}
)
NAMES: list[object] = [*sorted(ROWS), "neverHeardOf", "", 5, None, {}]
WORDS = [
    "s1",
    "later",
    "r1",
    "offer",
    "answer",
    "true",
    "auto",
    "ARDAMSvs1",
    "v=0",
    "!s1",
    True,
    False,
    0,
    360,
    -1,
    1e300,
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({name for row in ROWS.values() for name in row.fields.split(", ") if name})
frames = st.fixed_dictionaries(
    {"command": st.sampled_from(NAMES)},
    optional={
        "streamId": st.sampled_from(["s1", "s2", "later", "a b", ""]) | json_values,
        **{name: st.sampled_from(WORDS) | json_values for name in FIELDS},
    },
)
anything = frames | st.dictionaries(st.text(max_size=10), json_values, max_size=5)
known = {code.value for code in ErrorCode}


def is_meant(frame: dict[str, Any]) -> bool:
    """Whether the frame is one that has to be answered: it has a command, and the command or the stream's name is
    something to speak of."""
    command, stream = frame.get("command"), frame.get("streamId")
    if not isinstance(command, str) or not command:
        return False
    named = isinstance(stream, str) and bool(stream)
    return (command in ROWS and command not in KEPT_OR_IGNORED) or (not named and command not in ("ping",))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.sampled_from(PHASES), st.booleans(), st.lists(anything, min_size=1, max_size=6))
def test_any_frame_in_any_phase(where: tuple[str, str], asks: bool, sequence: list[dict[str, Any]]) -> None:
    who, phase = where
    talk = Talk()
    (viewer if who == "viewer" else publisher)(talk, phase)
    talk.asks = asks

    for now, frame in enumerate(sequence):
        effects = talk.conversation.receive(msgspec.json.encode(frame).decode(), now * 0.7)
        assert effects or not is_meant(frame)
        for effect in effects:
            if isinstance(effect, Send):
                said = msgspec.json.decode(effect.frame)
                assert said["command"] != "error" or said["definition"] in known

    assert talk.conversation.receive('{"command":"ping"}', 100.0) == [Send(replies.PONG)]
    talk.conversation.closed(sessions_stay=False)
