"""Messages as they cross the bus."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts import subjects
from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import ErrorCode, Failure, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import Ack, PublishRequest
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus import envelope


@given(
    st.builds(Failure, code=st.sampled_from(ErrorCode), message=st.text(), retry_after_s=st.none() | st.floats(0, 1e6))
)
def test_a_failure_survives_the_way(failure: Failure) -> None:
    with pytest.raises(RillcastError) as caught:
        envelope.decode_answer(envelope.encode_failure(failure), Ack)
    assert caught.value.failure() == failure


def test_an_endless_sentence_is_cut_rather_than_lost() -> None:
    failure = Failure(code=ErrorCode.BAD_REQUEST, message="w" * 100_000, retry_after_s=1.0)
    with pytest.raises(RillcastError) as caught:
        envelope.decode_answer(envelope.encode_failure(failure), Ack)
    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.BAD_REQUEST, 1.0)
    assert set(caught.value.message) == {"w"}


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_called_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        envelope.decode(body, PublishRequest)
    with pytest.raises((Undecodable, RillcastError)):
        envelope.decode_answer(body, PublishRequest)


@pytest.mark.parametrize("body", [b"{}", b'{"ok":null}', b'{"failure":3}', b'{"ok":[]}', b"[]", b"null", b"{" * 50_000])
def test_answers_of_no_shape_are_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        envelope.decode_answer(body, PublishRequest)


def test_a_code_from_the_future_becomes_a_server_error() -> None:
    body = msgspec.json.encode({"failure": {"code": "brandNew", "message": "words", "retry_after_s": 3, "more": 1}})
    with pytest.raises(RillcastError) as caught:
        envelope.decode_answer(body, Ack)
    assert (caught.value.code, caught.value.message, caught.value.retry_after_s) == (ErrorCode.SERVER_ERROR, "words", 3)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, None),
        ({}, None),
        ({"Rc-Deadline": "1500"}, 1.5),
        ({"Rc-Deadline": "-1"}, None),
        ({"Rc-Deadline": "9" * 12}, None),
    ],
)
def test_deadlines_are_read_with_suspicion(headers: dict[str, str] | None, expected: float | None) -> None:
    assert envelope.remaining_s(headers) == expected


def test_labels_hold_no_ids() -> None:
    node = NodeId("edge-12345678")
    assert envelope.label(subjects.edge_play(node)) == "edge.play"
    assert envelope.label(subjects.session_restart_ice(NodeKind.EDGE, node)) == "session.restart_ice"
    assert envelope.label(subjects.session_changed(node)) == "session.changed"
    assert envelope.label(subjects.license_acquire(NodeKind.EDGE)) == "license.acquire"
    assert envelope.label("_INBOX.whatever") == "other"
