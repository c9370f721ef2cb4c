"""The guards that rows name."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.operators.domain.rights import Need
from services.signaling.rest.adapters import http_gate
from services.signaling.rest.adapters.endpoint import Guard
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.security import EVERY, SESSION

_SESSIONS = (*http_gate.BEFORE_ANYBODY, http_gate.NO_TYPE, ErrorCode.STORE_UNAVAILABLE)
_REFUSALS = (*_SESSIONS, http_gate.NOT_AUTHENTICATED, http_gate.NOT_ALLOWED)

ANYBODY = Guard("anybody", Gate.anybody, _SESSIONS)
"""Rows that are open on purpose: what happens before somebody has signed in."""
SOMEBODY = Guard("whoever has signed in, or shows a token of the server", Gate.somebody, _REFUSALS, EVERY)
SIGNED_IN = Guard(Need.SIGNED_IN.value, Gate.signed_in, _REFUSALS, (SESSION,))
OPERATOR = Guard(Need.OPERATOR.value, Gate.operator, _REFUSALS, EVERY)
ADMIN = Guard(Need.ADMIN.value, Gate.administrator, _REFUSALS, EVERY)
APP_SETTINGS = Guard(Need.APP_SETTINGS.value, Gate.settings_of_app, _REFUSALS, EVERY, Need.APP_SETTINGS)
_IN_APP = (*_REFUSALS, http_gate.INVALID_JWT, ErrorCode.UNKNOWN_APP)
APP_OPERATOR = Guard(Need.APP.value, Gate.operator_of_app, _IN_APP, EVERY)
APP_REPORTER = Guard(
    "anybody, or operator of the app where `secureAnalyticEndpoint` is set", Gate.reporter_of_app, _IN_APP
)
"""Rows on which players report what they do."""
APP_ISSUER = Guard("operator of the app, and not one that only looks", Gate.issuer_of_app, _IN_APP, EVERY)
"""Rows whose answers are tokens or codes."""
