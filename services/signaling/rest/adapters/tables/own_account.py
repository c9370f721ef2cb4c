"""The account of whoever asks, and its sessions."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import ME_PATH
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import SIGNED_IN, SOMEBODY
from services.signaling.rest.usecases.own_account import Me, OwnAccount

TABLE = Table(
    tag="account",
    about="One's own account.",
    resource=OwnAccount,
    input="user",
    rows=(
        Endpoint(
            "GET",
            ME_PATH,
            SOMEBODY,
            OwnAccount.me,
            "Who asks, with the roles by scope and the account's sessions.",
            name="get_own_account",
            answer=Me,
        ),
        Endpoint(
            "DELETE",
            f"{ME_PATH}/sessions",
            SIGNED_IN,
            OwnAccount.end_other_sessions,
            "Ends one's other sessions, at all instances.",
            name="delete_other_sessions",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
    ),
)
