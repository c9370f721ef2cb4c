"""The names under which clients publish and play."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId, is_stream_id


def valid_stream_id(text: str) -> StreamId:
    """The id, if it obeys the grammar. Raises NO_STREAM_NAME or INVALID_STREAM_NAME."""
    if not text:
        raise RillcastError(ErrorCode.NO_STREAM_NAME, "no stream id was given")
    if not is_stream_id(text):
        raise RillcastError(
            ErrorCode.INVALID_STREAM_NAME, "a stream id has 1 to 255 letters, digits, dots, underscores and hyphens"
        )
    return StreamId(text)
