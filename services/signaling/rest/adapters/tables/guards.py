"""The guards that rows name."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.rest.adapters.endpoint import Guard
from services.signaling.rest.adapters.http_gate import NOT_ALLOWED, Gate

OPERATOR = Guard("operator", Gate.operator, (NOT_ALLOWED,))
APP_OPERATOR = Guard("operator of the app", Gate.operator_of_app, (NOT_ALLOWED, ErrorCode.UNKNOWN_APP))
