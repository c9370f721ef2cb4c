"""Operators, and signing in."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import ADMIN, ANYBODY, OPERATOR, SIGNED_IN
from services.signaling.rest.domain.users import ShownUser, SignInBody, User
from services.signaling.rest.usecases.users import Users

ROOT = "/rest/v2/users"
STORE = (ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE)

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
            answer=Result,
            body=SignInBody,
            body_may_lack=True,
            errors=STORE,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/initial",
            ANYBODY,
            Users.initial,
            "Makes the first operator. The start has done so already, so this is always refused.",
            answer=Result,
            body=SignInBody,
        ),
        Endpoint(
            "GET",
            "/rest/v2/first-login-status",
            ANYBODY,
            Users.first_login,
            "Whether the first operator is still to be made. It never is.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            "/rest/v2/authentication-status",
            ANYBODY,
            Users.authenticated,
            "Whether the caller has signed in, or shows a token that holds.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{email}}/blocked",
            ANYBODY,
            Users.blocked,
            "Whether the caller's address has sent too many wrong passwords for this name.",
            answer=Result,
        ),
        Endpoint("DELETE", f"{ROOT}/logout", SIGNED_IN, Users.sign_out, "Signs out.", answer=Result, errors=STORE),
        Endpoint(
            "POST",
            f"{ROOT}/password",
            SIGNED_IN,
            Users.change_password,
            "Changes one's own password, and ends one's other sessions.",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=STORE,
        ),
        Endpoint(
            "GET",
            "/rest/v2/admin-status",
            SIGNED_IN,
            Users.admin_status,
            "Whether the caller is an administrator of the server or of an app.",
            answer=Result,
        ),
        Endpoint("GET", "/rest/v2/user-list", OPERATOR, Users.list_all, "The operators.", answer=list[ShownUser]),
        Endpoint(
            "POST",
            ROOT,
            ADMIN,
            Users.add,
            "Makes an operator.",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=STORE,
        ),
        Endpoint(
            "PUT",
            ROOT,
            ADMIN,
            Users.edit,
            "Changes the keys that are given of an operator. A new password ends the sessions.",
            answer=Result,
            body=User,
            body_may_lack=True,
            errors=STORE,
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{email}}",
            ADMIN,
            Users.delete,
            "Forgets an operator, whose sessions end.",
            answer=Result,
            errors=STORE,
        ),
    ),
)
