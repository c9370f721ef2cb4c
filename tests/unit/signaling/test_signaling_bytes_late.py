"""Bytes that come when their request is answered already: they keep no connection open."""

from __future__ import annotations

import pytest

from tests.unit.signaling.memory_listener import Listener
from tests.unit.signaling.test_signaling_bytes import listener

__all__ = ["listener"]

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n"
WHOLE = b"GET /rest/v2/version HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, bytes(33)],
        [HEAD + bytes(32), bytes(1)],
        [HEAD, *[bytes(11)] * 3],
        [WHOLE, b"\r\n"],
        [WHOLE, b"\r", b"\n", b"\r\n\r\n"],
        [HEAD, bytes(33), WHOLE, b"\r\n"],
    ],
    ids=["a body", "its last byte", "its thirds", "an empty line", "empty lines", "both"],
)
@pytest.mark.parametrize("patience_s", [0.0, 0.5, 4.0])
def test_what_comes_after_the_answer_keeps_no_connection_open(
    listener: Listener,
    pieces: list[bytes],
    patience_s: float,
) -> None:
    answered = listener.run(pieces, patience_s=patience_s)

    asked = sum(piece.count(b"GET ") for piece in pieces)
    assert 1 <= answered.count(b"HTTP/1.1 ") <= asked, "a body that comes too late ends its connection before that"
