"""Requests that are not done, in words."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Form(StrEnum):
    """How a client is told."""

    RESULT = "result"
    """A `Result` in JSON."""
    TEXT = "text"
    """Plain text, as Ant Media answers what it cannot decode."""
    PAGE = "page"
    """A page of HTML, as Ant Media answers what does not get as far as to its handlers."""


class Refusal(msgspec.Struct, frozen=True):
    """What a client is told instead of an answer."""

    status: int
    """The status of HTTP with which the request is refused."""
    message: str
    form: Form = Form.RESULT


NOT_FOUND = Refusal(404, "Not Found", Form.PAGE)
NOT_ACCEPTABLE = Refusal(406, "Not Acceptable: the answer would be {type}", Form.PAGE)
UNSUPPORTED_TYPE = Refusal(415, "Unsupported Media Type: the body must be {type}", Form.PAGE)


class Refused(Exception):
    """Raised by a handler or a guard that refuses. The client is told, and nothing is logged: it is no fault of
    ours."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class BadInput(Refused):
    """The client's body makes no sense. It is answered 400 with the message, and counted."""

    def __init__(self, message: str, form: Form = Form.RESULT, *, status: int = 400) -> None:
        super().__init__(Refusal(status, message, form))


class NotTaken(BadInput):
    """The body is understood, and nothing of what it asks for is done. It is answered 200 with ``success: false``, as
    Ant Media does, and counted."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=200)
