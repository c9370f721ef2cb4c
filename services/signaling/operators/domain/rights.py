"""What each role may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from services.signaling.operators.domain.accounts import SYSTEM, Role

READING = frozenset({"GET", "HEAD"})


class Need(StrEnum):
    """What an endpoint asks of whoever calls it."""

    OPERATOR = "operator"
    """A role of the whole server; one that only looks may only read."""
    ADMIN = "administrator"
    """ADMIN of the whole server."""
    APP = "operator of the app"
    """A role of the app or of the whole server; one that only looks may only read."""
    APP_SETTINGS = "operator of the app, and to change something its administrator"
    """Likewise, but only ADMIN may change anything."""
    SIGNED_IN = "whoever has signed in"
    """An account, whatever its role is."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as far as it was verified."""

    name: str = ""
    """For logs: the account, or which kind of token. Empty: nobody was verified."""
    roles: Mapping[str, Role] = msgspec.field(default_factory=dict)
    """What the caller may be, by scope."""
    account: str = ""
    """The e-mail of the account, for a session."""
    session: str = ""
    """The digest of the session, for a session."""
    address: str = ""
    """From where; it proves nothing."""
    secure: bool = False
    """Whether the client speaks TLS, to us or to a trusted proxy."""


def may(caller: Caller, need: Need, method: str, app: str = "") -> bool:
    """Whether the role of the caller allows `need` with this HTTP method in this app."""
    system = caller.roles.get(SYSTEM)
    of_app = {role for role in (system, caller.roles.get(app) if app else None) if role is not None}
    if need is Need.SIGNED_IN:
        return bool(caller.account)
    if need is Need.ADMIN:
        return system is Role.ADMIN
    able = {system} if need is Need.OPERATOR and system is not None else of_app if need is not Need.OPERATOR else set()
    if method in READING:
        return bool(able)
    return bool(able & ({Role.ADMIN} if need is Need.APP_SETTINGS else {Role.ADMIN, Role.USER}))
