"""Calls about users.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.users import ShownUser, SignInBody, User


class Users:
    """The operators' accounts. A session's cookie is `JSESSIONID`, and holds at every instance."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def sign_in(self, body: SignInBody | None = None) -> Result:
        """Signs in. The message has the roles, or says that there were too many wrong passwords.

        ``POST /rest/v2/users/authenticate``
        """
        return self._ask(Result, "POST", "/rest/v2/users/authenticate", body=body)

    def create_first_user(self, body: SignInBody) -> Result:
        """Makes the first operator. The start has done so already, so this is always refused.

        ``POST /rest/v2/users/initial``
        """
        return self._ask(Result, "POST", "/rest/v2/users/initial", body=body)

    def get_first_login_status(self) -> Result:
        """Whether the first operator is still to be made. It never is.

        ``GET /rest/v2/first-login-status``
        """
        return self._ask(Result, "GET", "/rest/v2/first-login-status")

    def get_authentication_status(self) -> Result:
        """Whether the caller has signed in, or shows a token that holds.

        ``GET /rest/v2/authentication-status``
        """
        return self._ask(Result, "GET", "/rest/v2/authentication-status")

    def get_user_block(self, email: str) -> Result:
        """Whether the caller's address has sent too many wrong passwords for this name.

        ``GET /rest/v2/users/{email}/blocked``

        `email`: The name to sign in with.
        """
        return self._ask(Result, "GET", f"/rest/v2/users/{part(email)}/blocked")

    def sign_out(self) -> Result:
        """Signs out.

        ``DELETE /rest/v2/users/logout``
        """
        return self._ask(Result, "DELETE", "/rest/v2/users/logout")

    def change_password(self, body: User | None = None) -> Result:
        """Changes one's own password, and ends one's other sessions.

        ``POST /rest/v2/users/password``
        """
        return self._ask(Result, "POST", "/rest/v2/users/password", body=body)

    def get_admin_status(self) -> Result:
        """Whether the caller is an administrator of the server or of an app.

        ``GET /rest/v2/admin-status``
        """
        return self._ask(Result, "GET", "/rest/v2/admin-status")

    def list_users(self) -> list[ShownUser]:
        """The operators.

        ``GET /rest/v2/user-list``
        """
        return self._ask(list[ShownUser], "GET", "/rest/v2/user-list")

    def change_user(self, body: User | None = None) -> Result:
        """Changes the keys that are given of an operator. A new password ends the sessions.

        ``PUT /rest/v2/users``
        """
        return self._ask(Result, "PUT", "/rest/v2/users", body=body)

    def create_user(self, body: User | None = None) -> Result:
        """Makes an operator.

        ``POST /rest/v2/users``
        """
        return self._ask(Result, "POST", "/rest/v2/users", body=body)

    def delete_user(self, email: str) -> Result:
        """Forgets an operator, whose sessions end.

        ``DELETE /rest/v2/users/{email}``

        `email`: The name to sign in with.
        """
        return self._ask(Result, "DELETE", f"/rest/v2/users/{part(email)}")
