"""Whoever has signed in, and where else: what the console shows of its operator."""

from __future__ import annotations

import msgspec

from services.signaling.core.domain.result import Result
from services.signaling.operators.domain import accounts as rules
from services.signaling.operators.domain.accounts import Roles, account_key
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.sign_in import SignIn


class OwnSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One place where the account is signed in."""

    until_ms: int
    """When it ends by itself, in Unix milliseconds."""
    this: bool
    """Whether it is the one that asks."""


class Me(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whoever asks, as the server sees it."""

    name: str
    """The name of the account, or which kind of token was shown."""
    account: str
    """The same for an account; empty for a token."""
    roles: Roles
    """What it may do, by scope: ``system`` or the name of an app."""
    sessions: list[OwnSession]
    """Those of the account that last, the oldest first."""


class OwnAccount:
    """One per signaling instance."""

    def __init__(self, accounts: AccountStore, sign_in: SignIn) -> None:
        self._accounts = accounts
        self._sign_in = sign_in

    async def me(self, who: Caller) -> Me:
        """Who asks. Raises `RillcastError`."""
        account = await self._accounts.by_email(who.account) if who.account else None
        lasting = () if account is None else self._sign_in.lasting(account)
        sessions = [OwnSession(until_ms=int(one.until_s * 1_000), this=one.digest == who.session) for one in lasting]
        return Me(name=who.name, account=who.account, roles=who.roles, sessions=sessions)

    async def end_other_sessions(self, who: Caller) -> Result:
        """End all sessions of the account but the one that asks. Raises `RillcastError`."""
        await self._accounts.change(
            account_key(who.account), lambda account: rules.signed_in_once(account, keeping=who.session)
        )
        return Result(success=True)
