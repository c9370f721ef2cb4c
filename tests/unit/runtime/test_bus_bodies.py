"""Bodies that were cut, changed or made up, through the reading of requests and of answers on the bus."""

from __future__ import annotations

import asyncio
import inspect
import re

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rillcast.contracts import messages, subjects
from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import Ack
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.runtime.bus import envelope
from rillcast.runtime.bus.serving import carry_out

NAMED = re.findall(r'"""`messages\.(\w+)`(?: → `messages\.(\w+)`)?', inspect.getsource(subjects))
TAKEN = sorted({taken for taken, _ in NAMED})
"""The structs of all requests and events, as the docstrings of their subjects name them."""
ANSWERED = sorted({answer for _, answer in NAMED if answer})
LONGEST = 500

PIECES = (
    *(b'""', b"{}", b"[]", b"null", b"1e999", b"-1", b"true", b"\x00", b"\xff\xfe", b"\\ud800", b"[" * 3_000),
    *(b'{"a":' * 3_000, b"9" * 5_000, b'"' + b"x" * 5_000 + b'"'),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON of an object with any fields, then damaged at some places."""
    value = st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=8)), st.lists, max_leaves=4)
    names = st.sampled_from(
        ["app", "stream", "session", "node", "sdp", "kind", "ok", "failure", "code", "message", "x"]
    )
    data = msgspec.json.encode(draw(st.dictionaries(names, value, max_size=5)))
    for _ in range(draw(st.integers(0, 3))):
        at, cut = draw(st.integers(0, len(data))), draw(st.integers(0, 9))
        data = data[:at] + draw(st.sampled_from([b"", *PIECES])) + data[at + cut :]
    return data


async def acknowledge(_: object) -> Ack:
    return Ack()


@pytest.mark.parametrize("name", TAKEN)
@settings(max_examples=15, deadline=None)
@given(body=bodies())
@example(body=b"")
@example(body=b"[" * 100_000)
def test_a_request_is_carried_out_or_refused_in_words(name: str, body: bytes) -> None:
    kind: type[msgspec.Struct] = getattr(messages, name)

    outcome, answer = asyncio.run(carry_out("rc.v1.any", body, kind, acknowledge, None, protocol=PROTOCOL_VERSION))

    assert outcome in ("ok", "undecodable")
    if outcome == "ok":
        assert envelope.decode_answer(answer, Ack) == Ack()
    else:
        with pytest.raises(RillcastError) as refused:
            envelope.decode_answer(answer, Ack)
        assert 5 < len(refused.value.message) < LONGEST


@pytest.mark.parametrize("name", ANSWERED)
@settings(max_examples=15, deadline=None)
@given(body=bodies())
@example(body=b"")
@example(body=b"[" * 100_000)
@example(body=b'{"failure":{}}')
@example(body=b'{"failure":{"code":"no such","message":"m"}}')
@example(body=b'{"failure":{"code":[' + b"[" * 5_000)
def test_an_answer_is_read_or_the_node_refuses_or_says_nonsense(name: str, body: bytes) -> None:
    kind: type[msgspec.Struct] = getattr(messages, name)
    try:
        assert isinstance(envelope.decode_answer(body, kind), kind)
    except (RillcastError, Undecodable) as error:
        assert len(str(error)) < 10_000
