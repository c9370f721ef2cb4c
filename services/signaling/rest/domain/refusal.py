"""Requests that are not done, in words."""

from __future__ import annotations

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """What a client is told instead of an answer."""

    status: int
    """The status of HTTP with which the request is refused."""
    message: str
    plain: bool = False
    """As plain text, where Ant Media answers so; otherwise as a `Result`."""


class Refused(Exception):
    """Raised by a handler or a guard that refuses. The client is told, and nothing is logged: it is no fault of
    ours."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class BadInput(Refused):
    """The client's body makes no sense. It is answered 400 with the message, and counted."""

    def __init__(self, message: str) -> None:
        super().__init__(Refusal(400, message))
