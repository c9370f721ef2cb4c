"""Headers of messages from NATS are read as nats-py reads them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from rillcast.runtime.bus.nats_login import TlsClient

PIECES = [b"Rc-Id", b"Nats-Expected", b":", b": ", b" ", b"\t", b"\r\n", b"\r", b"\n", b"\xff", b"\xc3\xa9", b"a b"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", {}),
        (b"Rc-Id: 1f\r\nRc-Protocol: 7\r\n\r\n", {"Rc-Id": "1f", "Rc-Protocol": "7"}),
        (b"a:1\r\na: 2\r\n", {"a": "2"}),
        (b"no colon\r\na name: x\r\nb:\t\r\n", {"b": ""}),
        (b"u: \xff\r\n", {"u": "\ufffd"}),
    ],
)
def test_what_the_headers_of_a_message_say(raw: bytes, expected: dict[str, str]) -> None:
    assert TlsClient._parse_header_lines(raw) == Client._parse_header_lines(raw) == expected


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=20).map(b"".join))
@example(b"a\x1c: 1")
@example(b": x\r\n")
def test_nats_py_reads_the_same_but_names_that_nobody_can_have(raw: bytes) -> None:
    theirs = {name: value for name, value in Client._parse_header_lines(raw).items() if name and name.isprintable()}

    assert TlsClient._parse_header_lines(raw) == theirs
