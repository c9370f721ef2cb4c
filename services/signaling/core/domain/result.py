"""Ant Media's answer to most commands, wherever they are given."""

from __future__ import annotations

import msgspec


class Result(msgspec.Struct, rename="camel", kw_only=True):
    """Whether it was done, and what there is to say about it."""

    success: bool
    message: str | None = ""
    """Null with a few commands, as with Ant Media."""
    data_id: str | None = ""
    error_id: int = 0


class NotServed(Result):
    """The same where Ant Media does something that isn't there at all. It says so, and is counted."""
