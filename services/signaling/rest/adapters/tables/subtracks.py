"""Broadcasts that belong to a main track."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.usecases.subtracks import NO_ID, Subtracks

UNKNOWN = Refusal(404, "there is no such main track")
WRITING = (ErrorCode.STORE_UNAVAILABLE,)
ROOT = "/{app}/rest/v2/broadcasts"

TABLE = Table(
    tag="subtracks",
    about="Broadcasts that belong to another one, their main track.",
    resource=Subtracks,
    input="broadcast",
    rows=(
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/subtrack",
            APP_OPERATOR,
            Subtracks.add,
            "Makes a broadcast a subtrack of this one.",
            name="add_subtrack",
            answer=Result,
            errors=(NO_ID, *WRITING),
            links=(
                Link("list_subtracks"),
                Link("remove_subtrack", {"id": "$request.query.id"}),
            ),
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{stream}}/subtrack",
            APP_OPERATOR,
            Subtracks.remove,
            "Makes it none any more.",
            name="remove_subtrack",
            answer=Result,
            errors=(NO_ID, *WRITING),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/subtracks/{{offset}}/{{size}}",
            APP_OPERATOR,
            Subtracks.list_page,
            "One page of the subtracks, by stream id.",
            name="list_subtracks",
            answer=list[Broadcast],
            errors=(UNKNOWN,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/active-subtracks/{{offset}}/{{size}}",
            APP_OPERATOR,
            Subtracks.list_live,
            "One page of the subtracks that are live.",
            name="list_live_subtracks",
            answer=list[Broadcast],
            errors=(UNKNOWN,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/active-subtracks-count",
            APP_OPERATOR,
            Subtracks.count_live,
            "How many subtracks are live.",
            name="count_live_subtracks",
            answer=SimpleStat,
            errors=(UNKNOWN,),
        ),
    ),
)
