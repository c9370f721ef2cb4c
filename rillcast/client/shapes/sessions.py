"""Shapes of calls about sessions.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import Role


class JoinMove(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One time when a session had to leave its node."""

    at_ms: int
    left: str
    why: str = ""
    node: str = ""
    back_ms: int | None = None


class JoinStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A join and what became of it. Times are Unix milliseconds; null: it never came so far."""

    id: str
    app: str
    stream: str
    role: Role
    state: str
    reason: str = ""
    who: str = ""
    address: str = ""
    node: str = ""
    zone: str = ""
    instance: str = ""
    asked_ms: int | None = None
    opened_ms: int | None = None
    connected_ms: int | None = None
    media_ms: int | None = None
    ended_ms: int | None = None
    moves: int = 0
    trail: list[JoinMove] = msgspec.field(default_factory=list)
