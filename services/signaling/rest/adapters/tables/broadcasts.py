"""Broadcasts, live or not."""

from __future__ import annotations

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.usecases.broadcasts import NO_AUTO_START, NO_START, NO_SUCH_BROADCAST, Broadcasts

WRITING = (ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE)
MOST_LIST_BYTES = 4_000_000
ROOT = "/{app}/rest/v2/broadcasts"
MADE = {"stream": "$response.body#/streamId"}
NEXT = (
    "get_broadcast",
    "change_broadcast",
    "create_token",
    "add_subscriber",
    "get_backup",
    "change_backup",
    "stop_broadcast",
    "list_subtracks",
    "delete_broadcast",
)
"""What may be asked of a broadcast that was made."""
CAMERA = {"streamId": "camera2", "name": "The second camera", "role": "guest"}

TABLE = Table(
    tag="broadcasts",
    about="Broadcasts: those that are live, and those for which something was set.",
    resource=Broadcasts,
    input="broadcast",
    rows=(
        Endpoint(
            "POST",
            f"{ROOT}/create",
            APP_OPERATOR,
            Broadcasts.create,
            "Creates a broadcast. Without a streamId it gets one. A body that is one text is its name.",
            name="create_broadcast",
            answer=Broadcast,
            body=Patch[KeptBroadcast],
            body_may_lack=True,
            text_is="name",
            errors=(NO_SUCH_BROADCAST, NO_START, NO_AUTO_START, *WRITING),
            example={"body": {"streamId": "evening", "name": "The evening show", "metaData": "{}"}},
            links=tuple(Link(name, MADE) for name in NEXT),
        ),
        Endpoint(
            "POST",
            f"{ROOT}/create-list",
            APP_OPERATOR,
            Broadcasts.create_list,
            "Creates several broadcasts, or none when an id is taken.",
            name="create_broadcasts",
            answer=list[Result],
            body=list[dict[str, msgspec.Raw]],
            errors=WRITING,
            most_bytes=MOST_LIST_BYTES,
            example={"body": [{"streamId": "morning", "name": "The morning show"}, CAMERA]},
        ),
        Endpoint(
            "GET",
            f"{ROOT}/list/{{offset}}/{{size}}",
            APP_OPERATOR,
            Broadcasts.list_page,
            "One page of the broadcasts, by stream id or as it is asked.",
            name="list_broadcasts",
            answer=list[Broadcast],
            links=(Link("get_broadcast", {"stream": "$response.body#/0/streamId"}),),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/count",
            APP_OPERATOR,
            Broadcasts.count,
            "How many broadcasts there are.",
            name="count_broadcasts",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/count/{{search}}",
            APP_OPERATOR,
            Broadcasts.count_found,
            "How many broadcasts there are with these words.",
            name="count_found_broadcasts",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/active-live-stream-count",
            APP_OPERATOR,
            Broadcasts.count_live,
            "How many broadcasts are live.",
            name="count_live_broadcasts",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            Broadcasts.get,
            "One broadcast.",
            name="get_broadcast",
            answer=Broadcast,
            errors=(NO_SUCH_BROADCAST,),
        ),
        Endpoint(
            "PUT",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            Broadcasts.change,
            "Changes the keys that are given. An unknown broadcast is answered 200 and `success: false`.",
            name="change_broadcast",
            answer=Result,
            body=Patch[KeptBroadcast],
            body_may_lack=True,
            errors=WRITING,
            example={"stream": "evening", "body": {"name": "The late show", "webRTCViewerLimit": 200}},
        ),
    ),
)
