"""An operator's account, as the store has it, and what changes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

SYSTEM = "system"
"""The scope of the whole server; every other scope is the name of an app."""
MAX_SESSIONS = 20
"""Of one account. Whoever signs in once more ends the oldest."""
MAX_SEEN_FROM = 16
MAX_EMAIL = 254

Name = Annotated[str, msgspec.Meta(max_length=256)]


class Role(StrEnum):
    """What an account may do, in Ant Media's words."""

    ADMIN = "ADMIN"
    """May do everything, also to other accounts."""
    USER = "USER"
    """Everything but changing settings and accounts."""
    READ_ONLY = "READ_ONLY"
    """May look, and change nothing."""


Roles = Annotated[Mapping[str, Role], msgspec.Meta(max_length=1_000)]
"""By scope: ``system`` or the name of an app."""


class Session(msgspec.Struct, frozen=True):
    """Somebody is signed in."""

    digest: str
    """SHA-256 of the session's id, in hex. The id itself is nowhere but in the browser."""
    until_s: float
    """Unix time of its end."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An operator: the name, the hash of the password, the roles, and who is signed in with it."""

    email: str
    """The name to sign in with; an address of e-mail where clients of Ant Media make accounts."""
    password_hash: str
    """By argon2id, over what `passwords.wire_form` makes of the password."""
    user_type: Role = Role.USER
    scope: str | None = None
    app_name_user_type: Roles | None = None
    """Roles by scope. It counts before `user_type` and `scope`, the older way to say it."""
    first_name: Name | None = None
    last_name: Name | None = None
    full_name: Name | None = None
    picture: Name | None = None
    sessions: tuple[Session, ...] = ()
    """The oldest first."""
    seen_from: tuple[str, ...] = ()
    """Addresses from which somebody signed in, the latest last: a guesser elsewhere cannot lock these out."""

    @property
    def roles(self) -> Roles:
        """What the account may do, by scope."""
        return self.app_name_user_type or {self.scope or SYSTEM: self.user_type}

    def session(self, digest: str, now_s: float) -> Session | None:
        """The session with this digest, while it lasts."""
        return next((one for one in self.sessions if one.digest == digest and one.until_s > now_s), None)


def account_key(email: str) -> str:
    """Under which the store has the account: any name will do, and none shows in the store's listing."""
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()


def signed_in(account: Account, session: Session, address: str, now_s: float) -> Account:
    """The account with one more session, without those that are over."""
    kept = [one for one in account.sessions if one.until_s > now_s]
    seen = [one for one in account.seen_from if one != address]
    return msgspec.structs.replace(
        account,
        sessions=(*kept, session)[-MAX_SESSIONS:],
        seen_from=(*seen, address)[-MAX_SEEN_FROM:],
    )


def signed_out(account: Account, digest: str) -> Account:
    """The account without this session."""
    return msgspec.structs.replace(account, sessions=tuple(one for one in account.sessions if one.digest != digest))


def with_password(account: Account, password_hash: str, keeping: str = "") -> Account:
    """The account with another password. Every session ends but the one whose digest is `keeping`."""
    return msgspec.structs.replace(signed_in_once(account, keeping), password_hash=password_hash)


def signed_in_once(account: Account, keeping: str) -> Account:
    """The account without any session but the one whose digest is `keeping`."""
    return msgspec.structs.replace(account, sessions=tuple(one for one in account.sessions if one.digest == keeping))
