"""How callers show who they are, as the OpenAPI document says it. `http_credentials` reads it, `Doorkeeper` judges."""

from __future__ import annotations

from typing import Any

from services.signaling.operators.domain.session_cookie import COOKIE

SESSION = "session"
BEARER = "bearer"
PROXY_AUTHORIZATION = "proxyAuthorization"
SCHEMES: dict[str, dict[str, Any]] = {
    SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of an operator, which `sign_in` begins.",
    },
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "The token of the machine, a JWT of the server or, where the path has an app, a JWT of that app. The word "
            "`Bearer` may lack, as with Ant Media."
        ),
    },
    PROXY_AUTHORIZATION: {
        "type": "apiKey",
        "in": "header",
        "name": "ProxyAuthorization",
        "description": "The token of the machine or a JWT of the server, where `Authorization` is needed for the app.",
    },
}
"""By the names that guards have for them (`Guard.shows`)."""
EVERY = tuple(SCHEMES)


def requirements(shows: tuple[str, ...]) -> list[dict[str, list[str]]]:
    """Of an operation: one of these is enough, and without any of them everybody may ask."""
    return [{scheme: []} for scheme in shows]
