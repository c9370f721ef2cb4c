"""The names under which clients publish and play. Every door applies this one rule."""

from __future__ import annotations

import re

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId, is_stream_id

MAX_LENGTH = 255
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")


def valid_stream_id(text: str) -> StreamId:
    """The id, if it obeys the grammar. Raises NO_STREAM_NAME, or INVALID_STREAM_NAME with what is wrong about it."""
    if not text:
        raise RillcastError(ErrorCode.NO_STREAM_NAME, "no stream id was given")
    if not is_stream_id(text):
        rule = f"a stream id has 1 to {MAX_LENGTH} letters, digits, dots, underscores and hyphens"
        raise RillcastError(ErrorCode.INVALID_STREAM_NAME, f"{rule}; {_fault(text)}")
    return StreamId(text)


def _fault(text: str) -> str:
    foreign = _FOREIGN.search(text)
    if len(text) > MAX_LENGTH:
        return f"this one has {len(text)} characters"
    if foreign is not None:
        return f"this one has {foreign.group()!a}"
    return f"{text!a} is a step in a path and cannot be one"
