"""An answer that comes with a cookie."""

from __future__ import annotations

import msgspec


class WithCookie(msgspec.Struct, frozen=True):
    """Returned by a handler in place of its answer."""

    answer: object
    set_cookie: str
    """The value of the header ``Set-Cookie``."""
