"""Shapes of calls about users.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.client.shapes.common import AccountsRole


class ShownUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An operator as listed."""

    email: str
    user_type: AccountsRole
    scope: str | None
    app_name_user_type: dict[str, AccountsRole] | None
    first_name: str | None
    last_name: str | None
    full_name: str | None
    picture: str | None


class SignInBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wants to sign in. The password may be its MD5 in hex, as Ant Media's panel sends it."""

    email: str = ""
    password: str = ""


class User(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An operator to be made or changed. Null leaves a key as it is."""

    email: str = ""
    password: str | None = None
    new_password: str | None = None
    user_type: AccountsRole | None = None
    scope: str | None = None
    app_name_user_type: dict[str, AccountsRole] | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    picture: str | None = None
