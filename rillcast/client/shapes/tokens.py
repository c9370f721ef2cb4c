"""Shapes of calls about tokens.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class Token(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token, one-time or a JWT."""

    token_id: str = ""
    stream_id: str | None = None
    expire_date: int = 0
    type: str | None = None
    room_id: str | None = None
