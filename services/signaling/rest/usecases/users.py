"""Operators: signing in and out, and who they are. Answers are Ant Media's where it has the endpoint."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.operators.domain import accounts as rules
from services.signaling.operators.domain.accounts import Account, Role, account_key
from services.signaling.operators.domain.lockout import LOCK_S
from services.signaling.operators.domain.passwords import fault_of, wire_form
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.domain.session_cookie import set_cookie
from services.signaling.operators.ports import PasswordHashes
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.sign_in import Locked, SignIn
from services.signaling.rest.domain import users
from services.signaling.rest.domain.answered import WithCookie
from services.signaling.rest.domain.parameters import Email
from services.signaling.rest.domain.refusal import BadInput
from services.signaling.rest.domain.users import ShownUser, SignInBody, User

TOO_MANY = Result(success=False, message=f"Too many login attempts. User is blocked for {LOCK_S:.0f} secs")
NO_FIRST_USER = Result(success=False, error_id=-1)
"""The first operator is made at the start, so a stranger cannot come before the owner."""
YOURSELF_EDITED = Result(success=False, message="User cannot edit itself")
YOURSELF_DELETED = Result(success=False, message="You cannot delete yourself")
UNKNOWN_EDITED = Result(success=False, message="Edited user is not found in database")
TAKEN = Result(success=False, message="User with the same e-mail already exists")
NOBODY = Result(success=False, message="User object is null")
WRONG_PASSWORD = Result(success=False, message="User not exist with that name and pass")
NO_NEW_PASSWORD = Result(success=False, message="User name does not exist or there is no new password")


class Users:
    """One per signaling instance."""

    def __init__(self, accounts: AccountStore, hashes: PasswordHashes, sign_in: SignIn) -> None:
        self._accounts = accounts
        self._hashes = hashes
        self._sign_in = sign_in

    async def authenticate(self, who: Caller, body: SignInBody | None) -> Result | WithCookie:
        """Begin a session, whose cookie comes with the answer. Raises `RillcastError`."""
        if body is None or not body.email:
            return Result(success=False)
        try:
            signed = await self._sign_in.sign_in(body.email, body.password, who.address)
        except Locked:
            return TOO_MANY
        if signed is None:
            return Result(success=False)
        cookie = set_cookie(signed.cookie, secure=who.secure, max_age_s=int(self._sign_in.lifetime_s))
        return WithCookie(Result(success=True, message=users.scopes(signed.account)), cookie)

    async def initial(self, body: SignInBody) -> Result:
        """Make the first operator. There always is one already."""
        return NO_FIRST_USER

    async def first_login(self) -> Result:
        """Whether the first operator is still to be made. It never is."""
        return Result(success=False)

    async def authenticated(self, who: Caller) -> Result:
        """Whether the caller is signed in, or shows a token that holds."""
        return Result(success=bool(who.name))

    async def blocked(self, who: Caller, email: Email) -> Result:
        """Whether the caller's address has sent too many wrong passwords for this name."""
        return Result(success=self._sign_in.is_locked(email, who.address))

    async def sign_out(self, who: Caller) -> WithCookie:
        """End the session at every instance. Raises `RillcastError`."""
        await self._sign_in.sign_out(who)
        return WithCookie(Result(success=True), set_cookie("", secure=who.secure, max_age_s=0))

    async def admin_status(self, who: Caller) -> Result:
        """Whether the caller is the administrator of the server or of an app."""
        if Role.ADMIN in who.roles.values():
            return Result(success=True, message="User is admin")
        return Result(success=False, message="User is not admin")

    async def list_all(self) -> list[ShownUser]:
        """Every operator. Raises `RillcastError`."""
        return [users.shown(account) for account in await self._accounts.all()]

    async def add(self, body: User | None) -> Result:
        """Make an operator. Raises `BadInput` and `RillcastError`."""
        if body is None:
            return NOBODY
        if fault := users.fault_in(body) or ("" if body.password else "an operator needs a password"):
            raise BadInput(fault)
        password_hash = await self._hashes.hash(wire_form(body.password or ""))
        account = users.edited(Account(email=body.email, password_hash=password_hash), body)
        return Result(success=True) if await self._accounts.create(account) else TAKEN

    async def edit(self, who: Caller, body: User | None) -> Result:
        """Change an operator; a new password ends its sessions. Raises `BadInput` and `RillcastError`."""
        if body is None or await self._accounts.by_email(body.email) is None:
            return UNKNOWN_EDITED
        if body.email == who.account:
            return YOURSELF_EDITED
        if fault := users.fault_in(body):
            raise BadInput(fault)
        password_hash = await self._hashes.hash(wire_form(body.new_password)) if body.new_password else ""

        def changed(account: Account) -> Account:
            account = users.edited(account, body)
            return rules.with_password(account, password_hash) if password_hash else account

        found = await self._accounts.change(account_key(body.email), changed)
        return UNKNOWN_EDITED if found is None else Result(success=True)

    async def delete(self, who: Caller, email: Email) -> Result:
        """Forget an operator, whose sessions end. Raises `RillcastError`."""
        if email == who.account:
            return YOURSELF_DELETED
        return Result(success=await self._accounts.delete(email))

    async def change_password(self, who: Caller, body: User | None) -> Result:
        """Change one's own password; one's other sessions end. Raises `BadInput` and `RillcastError`."""
        if body is None or body.email not in ("", who.account) or not body.new_password:
            return NO_NEW_PASSWORD
        if fault := fault_of(body.new_password):
            raise BadInput(fault)
        try:
            account = await self._sign_in.verified(who.account, body.password or "", who.address)
        except Locked:
            return TOO_MANY
        if account is None:
            return WRONG_PASSWORD
        password_hash = await self._hashes.hash(wire_form(body.new_password))

        def changed(current: Account) -> Account:
            return rules.with_password(current, password_hash, keeping=who.session)

        await self._accounts.change(account_key(who.account), changed)
        return Result(success=True, message="Success")
