"""Deleting broadcasts."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.usecases.broadcast_removal import MOST_IDS_BYTES, BroadcastRemoval

ENDING = (ErrorCode.STORE_UNAVAILABLE, ErrorCode.NO_NODE_AVAILABLE)
ROOT = "/{app}/rest/v2/broadcasts"

TABLE = Table(
    tag="deleting broadcasts",
    about="Deleting broadcasts, one or many.",
    resource=BroadcastRemoval,
    input="broadcast",
    rows=(
        Endpoint(
            "DELETE",
            f"{ROOT}",
            APP_OPERATOR,
            BroadcastRemoval.delete_many,
            "Deletes those that the query names, or a JSON list in the body, up to the first that is unknown.",
            name="delete_broadcasts",
            answer=Result,
            body=list[str],
            body_may_lack=True,
            most_bytes=MOST_IDS_BYTES,
            errors=ENDING,
            example={"body": ["evening", "morning"]},
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            BroadcastRemoval.delete,
            "Sends away who publishes it, then forgets what was set; the message says whether there was a publisher.",
            name="delete_broadcast",
            answer=Result,
            errors=ENDING,
            example={"stream": "camera2"},
        ),
    ),
)
