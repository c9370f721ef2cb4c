"""Signing in and out."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from rillcast.contracts.words import TryStep
from rillcast.runtime.http.addresses import counted_as
from rillcast.runtime.tasks.key_locks import KeyLocks, TooManyWait
from services.signaling import metrics
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.operators.domain import accounts as rules
from services.signaling.operators.domain.accounts import Account, Session, account_key
from services.signaling.operators.domain.lockout import Lockout, is_this_machine
from services.signaling.operators.domain.passwords import wire_form
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.domain.session_cookie import SessionCookies, digest_of
from services.signaling.operators.ports import Asker, OtherInstances, PasswordHashes
from services.signaling.operators.usecases.account_store import AccountStore

MAX_WAITING = 24
"""Passwords for one account from one address that wait for the one that is being looked at: they are looked at one
after another, so that each counts before the next. An office whose panels share an account signs in from one address,
all at once after its server was restarted."""
RETRY_AFTER_S = 2.0


class Locked(Exception):
    """There were too many wrong passwords; nothing was looked at."""


class SignedIn(msgspec.Struct, frozen=True):
    """A session that has begun."""

    account: Account
    cookie: str
    """The value of the cookie."""


class SignIn:
    """One per signaling instance."""

    def __init__(
        self,
        accounts: AccountStore,
        hashes: PasswordHashes,
        cookies: SessionCookies,
        *,
        lifetime_s: float,
        now_s: Callable[[], float],
        lockout: Lockout | None = None,
        others: OtherInstances | None = None,
    ) -> None:
        """`lifetime_s` is how long a session lasts, in seconds. `now_s` returns the Unix time. `others`: None where
        there are no other instances."""
        self._accounts = accounts
        self._hashes = hashes
        self._cookies = cookies
        self._lifetime_s = lifetime_s
        self._now_s = now_s
        self._turns = KeyLocks(MAX_WAITING)
        self._lockout = Lockout() if lockout is None else lockout
        self._others = others

    async def sign_in(self, email: str, password: str, address: str) -> SignedIn | None:
        """A new session; None when e-mail and password do not fit. Raises `Locked`, `TooOften` when too many are
        signing in, and `RillcastError` when the store is away."""
        account = await self.verified(email, password, address)
        if account is None:
            return None
        now_s, session_id = self._now_s(), secrets.token_urlsafe(32)
        session = Session(digest_of(session_id), now_s + self._lifetime_s)

        def begun(current: Account) -> Account:
            return rules.signed_in(current, session, counted_as(address), now_s)

        changed = await self._accounts.change(account_key(email), begun)
        if changed is None or changed.password_hash != account.password_hash:
            return None
        return SignedIn(changed, self._cookies.value(account_key(email), session_id))

    async def verified(self, email: str, password: str, address: str) -> Account | None:
        """The account whose password this is; None when it is not. Raises as `sign_in` does."""
        counted = counted_as(address)
        try:
            async with self._turns.hold(f"{counted} {email}"):
                return await self._verified(email, password, counted)
        except TooManyWait as error:
            message = "too many passwords for this account are being looked at"
            raise TooOften(message, RETRY_AFTER_S) from error

    async def _verified(self, email: str, password: str, counted: str) -> Account | None:
        now_s, key = self._now_s(), account_key(email)
        if self._lockout.locked(key, counted, now_s):
            raise self._locked()
        crowded = self._lockout.crowded(key, now_s)
        try:
            await self._step(key, counted, TryStep.BEGUN)
            account = await self._accounts.by_email(email)
            seen = account is not None and counted in account.seen_from
            if crowded and not seen and not is_this_machine(counted):
                raise self._locked()
            asker = Asker(counted, first=seen)
            right = await self._hashes.matches(account.password_hash if account else None, wire_form(password), asker)
        except BaseException:
            await self._step(key, counted, TryStep.UNDONE)
            raise
        metrics.SIGN_INS.labels("ok" if right else "wrong").inc()
        await self._step(key, counted, TryStep.RIGHT if right else TryStep.WRONG)
        return account if right else None

    def heard(self, account: str, address: str, step: TryStep) -> None:
        """Another instance tells of a try of a password, `account` by its key."""
        self._lockout.step(account, address, step, self._now_s())

    async def _step(self, account: str, counted: str, step: TryStep) -> None:
        """What is of the loopback network here is somebody else at another machine."""
        self._lockout.step(account, counted, step, self._now_s())
        if self._others is not None and not is_this_machine(counted):
            await self._others.tell(account, counted, step)

    def is_locked(self, email: str, address: str) -> bool:
        """Whether this address may not try this account now."""
        return self._lockout.locked(account_key(email), counted_as(address), self._now_s())

    async def sign_out(self, caller: Caller) -> None:
        """End the caller's session, at every instance. Raises `RillcastError` when the store is away: then the session
        has not ended."""
        await self._accounts.change(
            account_key(caller.account), lambda account: rules.signed_out(account, caller.session)
        )

    def lasting(self, account: Account) -> tuple[Session, ...]:
        """The account's sessions that are not over, the oldest first."""
        now_s = self._now_s()
        return tuple(one for one in account.sessions if one.until_s > now_s)

    @property
    def lifetime_s(self) -> float:
        """Of a session, in seconds."""
        return self._lifetime_s

    @staticmethod
    def _locked() -> Locked:
        metrics.SIGN_INS.labels("locked").inc()
        return Locked()
