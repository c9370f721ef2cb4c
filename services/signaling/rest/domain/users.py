"""Operators as Ant Media's REST writes them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from services.signaling.operators.domain.accounts import MAX_EMAIL, SYSTEM, Account, Name, Role, Roles
from services.signaling.operators.domain.passwords import LONGEST, fault_of

Password = Annotated[str, msgspec.Meta(max_length=LONGEST)]
Email = Annotated[str, msgspec.Meta(max_length=MAX_EMAIL)]


class SignInBody(msgspec.Struct, rename="camel", kw_only=True):
    """Who wants to sign in. The password may be its MD5 in hex, as Ant Media's panel sends it."""

    email: Email = ""
    password: Password = ""


class User(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """An operator to be made or changed. Null leaves a key as it is."""

    email: Email = ""
    password: Password | None = None
    """Or its MD5 in hex. Needed for a new operator."""
    new_password: Password | None = None
    """Likewise, to change that of an operator."""
    user_type: Role | None = None
    scope: Name | None = None
    """``system`` or the name of an app, for which `userType` counts."""
    app_name_user_type: Roles | None = None
    """Roles by scope; they count before the two above."""
    first_name: Name | None = None
    last_name: Name | None = None
    full_name: Name | None = None
    picture: Name | None = None


class ShownUser(msgspec.Struct, rename="camel", kw_only=True):
    """An operator as listed."""

    email: str
    user_type: Role
    scope: str | None
    app_name_user_type: Roles | None
    first_name: str | None
    last_name: str | None
    full_name: str | None
    picture: str | None


def shown(account: Account) -> ShownUser:
    """Without its hash and its sessions."""
    return msgspec.convert(account, ShownUser, from_attributes=True)


def edited(account: Account, user: User) -> Account:
    """The account with what was given; a role by scope makes the older way to say it void, and the reverse."""
    given = {
        name: value
        for name in ("user_type", "scope", "app_name_user_type", "first_name", "last_name", "full_name", "picture")
        if (value := getattr(user, name)) is not None
    }
    if "scope" in given and "app_name_user_type" not in given:
        given["app_name_user_type"] = None
    elif "user_type" in given and "app_name_user_type" not in given and account.app_name_user_type:
        given["app_name_user_type"] = dict.fromkeys(account.app_name_user_type, given["user_type"])
    return msgspec.structs.replace(account, **given)


def fault_in(user: User) -> str:
    """Why no operator can be made or changed so; empty when one can."""
    if not user.email.strip() or not user.email.isprintable():
        return "an operator needs an email"
    password = user.new_password or user.password
    return fault_of(password) if password else ""


def scopes(account: Account) -> str:
    """What signing in is answered with, in Ant Media's form: scope and role, such as ``system/ADMIN``, or roles by
    scope as JSON where no single scope was given."""
    roles, scope = account.roles, account.scope or SYSTEM
    if scope in roles and (account.scope is not None or not account.app_name_user_type):
        return f"{scope}/{roles[scope]}"
    return msgspec.json.encode(roles).decode()
