"""`rillcast password`: another password for an operator who has lost it, or a new administrator."""

from __future__ import annotations

import secrets

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operators import Operator, asking
from rillcast.client import Client, NotDone
from rillcast.client.shapes import User


def new_password() -> str:
    """Random, and easily typed."""
    return "-".join(secrets.token_hex(3) for _ in range(5))


def set_password(who: Operator, name: str) -> str:
    """Give the operator a random password, which is returned; one that does not exist becomes an administrator. Raises
    CannotGoOn."""
    password = new_password()
    with asking(who) as client:
        try:
            if not _changed(client, name, password):
                client.users.create_user(
                    User(
                        email=name,
                        password=password,
                        user_type="ADMIN",
                        scope="system",
                        app_name_user_type={"system": "ADMIN"},
                    )
                )
        except NotDone as error:
            raise CannotGoOn(f"{name} got no password: {error}") from None
    return password


def _changed(client: Client, name: str, password: str) -> bool:
    try:
        client.users.change_user(User(email=name, new_password=password))
    except NotDone as error:
        if "not found" in str(error):
            return False
        raise
    return True
