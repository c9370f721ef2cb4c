"""Shapes of calls about account.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.client.shapes.common import AccountsRole


class OwnSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One place where the account is signed in."""

    until_ms: int
    this: bool


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks, as the server sees it."""

    name: str
    account: str
    roles: dict[str, AccountsRole]
    sessions: list[OwnSession]
