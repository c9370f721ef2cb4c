"""What a client asks about a stream."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.websocket.domain.frames import ClientFrame, number

MOST_OF_A_LIST = 250
"""Of a list, so many entries are in one answer at most."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks."""

    command: str
    """One of `questions.QUESTIONS`."""
    app: AppName
    stream: StreamId
    offset: int = 0
    size: int = MOST_OF_A_LIST


def question(command: str, app: AppName, stream: StreamId, frame: ClientFrame) -> Question:
    """The question in a frame. `command` is one of `questions.QUESTIONS`."""
    offset, size = number(frame.offset, 0), number(frame.size, MOST_OF_A_LIST)
    return Question(command=command, app=app, stream=stream, offset=max(0, offset), size=max(0, size))
