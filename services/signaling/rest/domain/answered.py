"""Answers that are more, or other, than JSON."""

from __future__ import annotations

import msgspec


class WithCookie(msgspec.Struct, frozen=True):
    """Returned by a handler in place of its answer."""

    answer: object
    set_cookie: str
    """The value of the header ``Set-Cookie``."""


class PlainText(msgspec.Struct, frozen=True):
    """Returned by a handler whose answer is text."""

    text: str
