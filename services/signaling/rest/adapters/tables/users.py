"""Operators, and signing in."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import ADMIN, ANYBODY, OPERATOR, SIGNED_IN
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.domain.users import ShownUser, SignInBody, User
from services.signaling.rest.usecases.users import Users

ROOT = "/rest/v2/users"
STORE = (ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE)
PASSWORDS = (*STORE, Refusal(429, "too many passwords are being looked at"))
"""Of rows that look at a password, or make the hash of one."""

PASSWORD = "correct horse battery"
TABLE = Table(
    tag="users",
    about="The operators' accounts. A session's cookie is `JSESSIONID`, and holds at every instance.",
    resource=Users,
    input="user",
    rows=(
        Endpoint(
            "POST",
            f"{ROOT}/authenticate",
            ANYBODY,
            Users.authenticate,
            "Signs in. The message has the roles, or says that there were too many wrong passwords.",
            name="sign_in",
            answer=Result,
            body=SignInBody,
            body_may_lack=True,
            errors=PASSWORDS,
            example={"body": {"email": "ann@example.com", "password": PASSWORD}},
        ),
        Endpoint(
            "POST",
            f"{ROOT}/initial",
            ANYBODY,
            Users.initial,
            "Makes the first operator. The start has done so already, so this is always refused.",
            name="create_first_user",
            answer=Result,
            body=SignInBody,
            example={"body": {"email": "ann@example.com", "password": PASSWORD}},
        ),
        Endpoint(
            "GET",
            "/rest/v2/first-login-status",
            ANYBODY,
            Users.first_login,
            "Whether the first operator is still to be made. It never is.",
            name="get_first_login_status",
            answer=Result,
        ),
        Endpoint(
            "GET",
            "/rest/v2/authentication-status",
            ANYBODY,
            Users.authenticated,
            "Whether the caller has signed in, or shows a token that holds.",
            name="get_authentication_status",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{email}}/blocked",
            ANYBODY,
            Users.blocked,
            "Whether the caller's address has sent too many wrong passwords for this name.",
            name="get_user_block",
            answer=Result,
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/logout",
            SIGNED_IN,
            Users.sign_out,
            "Signs out.",
            name="sign_out",
            answer=Result,
            errors=STORE,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/password",
            SIGNED_IN,
            Users.change_password,
            "Changes one's own password, and ends one's other sessions.",
            name="change_password",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=PASSWORDS,
            example={"body": {"password": PASSWORD, "newPassword": "another long sentence"}},
        ),
        Endpoint(
            "GET",
            "/rest/v2/admin-status",
            SIGNED_IN,
            Users.admin_status,
            "Whether the caller is an administrator of the server or of an app.",
            name="get_admin_status",
            answer=Result,
        ),
        Endpoint(
            "GET",
            "/rest/v2/user-list",
            OPERATOR,
            Users.list_all,
            "The operators.",
            name="list_users",
            answer=list[ShownUser],
        ),
        Endpoint(
            "POST",
            ROOT,
            ADMIN,
            Users.add,
            "Makes an operator.",
            name="create_user",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=PASSWORDS,
            example={
                "body": {
                    "email": "ann@example.com",
                    "password": PASSWORD,
                    "appNameUserType": {"live": "ADMIN"},
                    "firstName": "Ann",
                }
            },
            links=(
                Link("sign_in", body="$request.body"),
                Link("change_user", body="$request.body"),
                Link("delete_user", {"email": "$request.body#/email"}),
            ),
        ),
        Endpoint(
            "PUT",
            ROOT,
            ADMIN,
            Users.edit,
            "Changes the keys that are given of an operator. A new password ends the sessions.",
            name="change_user",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=PASSWORDS,
            example={"body": {"email": "ann@example.com", "appNameUserType": {"live": "USER"}}},
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{email}}",
            ADMIN,
            Users.delete,
            "Forgets an operator, whose sessions end.",
            name="delete_user",
            answer=Result,
            errors=STORE,
        ),
    ),
)
