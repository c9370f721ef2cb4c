"""The last joins and their fates."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import SESSIONS_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.domain.session_shapes import JoinStatus
from services.signaling.rest.usecases.session_list import SessionList

TABLE = Table(
    tag="sessions",
    about="The last 10000 joins of the cluster, of the last seven days, and what became of them.",
    resource=SessionList,
    input="sessions",
    rows=(
        Endpoint(
            "GET",
            SESSIONS_PATH,
            OPERATOR,
            SessionList.sessions,
            "Joins with the times of their stages and the reason of their end, the newest first.",
            name="list_sessions",
            answer=list[JoinStatus],
            errors=(Refusal(400, "there is no such state"), ErrorCode.STORE_UNAVAILABLE),
        ),
    ),
)
