"""Calls about account.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking
from rillcast.client.shapes.account import Me
from rillcast.client.shapes.common import Result


class Account:
    """One's own account."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_own_account(self) -> Me:
        """Who asks, with the roles by scope and the account's sessions.

        ``GET /rillcast/v1/me``
        """
        return self._ask(Me, "GET", "/rillcast/v1/me")

    def delete_other_sessions(self) -> Result:
        """Ends one's other sessions, at all instances.

        ``DELETE /rillcast/v1/me/sessions``
        """
        return self._ask(Result, "DELETE", "/rillcast/v1/me/sessions")
