"""What a client asks about a stream."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.websocket.domain.frames import ClientFrame, number, text

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
    role: str = ""
    """Of subtracks: only those of this role; likewise the next. Empty = all."""
    status: str = ""
    search: str = ""
    """A part of their id or of their name; capitals do not matter."""
    sort_by: str = ""
    """``name``, ``date`` or ``status``; anything else = by id."""
    order_by: str = ""
    """``desc`` turns the order round."""


def question(command: str, app: AppName, stream: StreamId, frame: ClientFrame) -> Question:
    """The question in a frame. `command` is one of `questions.QUESTIONS`."""
    offset, size = number(frame.offset, 0), number(frame.size, MOST_OF_A_LIST)
    return Question(
        command=command,
        app=app,
        stream=stream,
        offset=max(0, offset),
        size=max(0, size),
        role=text(frame.role),
        status=text(frame.status),
        search=text(frame.search).strip(),
        sort_by=text(frame.sort_by),
        order_by=text(frame.order_by),
    )
