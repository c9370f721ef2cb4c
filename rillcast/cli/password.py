"""`rillcast password`: another password for an operator who has lost it, or a new administrator."""

from __future__ import annotations

import secrets

import httpx

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operator_http import USERS, Operator, asking, done

SYSTEM_ADMIN = {"userType": "ADMIN", "scope": "system", "appNameUserType": {"system": "ADMIN"}}


def set_password(who: Operator, name: str) -> str:
    """Give the operator a random password, which is returned; one that does not exist becomes an administrator. Raises
    CannotGoOn."""
    password = "-".join(secrets.token_hex(3) for _ in range(5))
    with asking(who) as http:
        if not _changed(http, name, password):
            success, message = done(http.post(USERS, json={"email": name, "password": password, **SYSTEM_ADMIN}))
            if not success:
                raise CannotGoOn(f"{name} got no password: {message}")
    return password


def _changed(http: httpx.Client, name: str, password: str) -> bool:
    success, message = done(http.put(USERS, json={"email": name, "newPassword": password}))
    if not success and "not found" not in message:
        raise CannotGoOn(f"{name} got no password: {message}")
    return success
