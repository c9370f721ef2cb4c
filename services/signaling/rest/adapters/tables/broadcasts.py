"""Broadcasts, live or not."""

from __future__ import annotations

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.records import BroadcastRecord
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.shapes import BasicStreamInfo, ShownBroadcast
from services.signaling.rest.usecases.broadcasts import NO_SUCH_BROADCAST, Broadcasts

ROOT = "/{app}/rest/v2/broadcasts"

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
            "Creates a broadcast. Without a streamId it gets one.",
            answer=ShownBroadcast,
            body=Patch[BroadcastRecord],
            body_may_lack=True,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/list/{{offset}}/{{size}}",
            APP_OPERATOR,
            Broadcasts.list_page,
            "Broadcasts by stream id.",
            answer=list[ShownBroadcast],
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            Broadcasts.get,
            "One broadcast.",
            answer=ShownBroadcast,
            errors=(NO_SUCH_BROADCAST,),
        ),
        Endpoint(
            "PUT",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            Broadcasts.change,
            "Changes the keys that are given. An unknown broadcast is answered 200 and `success: false`.",
            answer=Result,
            body=Patch[BroadcastRecord],
            body_may_lack=True,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{stream}}",
            APP_OPERATOR,
            Broadcasts.delete,
            "Sends away who publishes it, then forgets what was set; the message says whether there was a publisher.",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.NO_NODE_AVAILABLE),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/stream-info",
            APP_OPERATOR,
            Broadcasts.renditions,
            "What a viewer may be sent; empty while the stream isn't live.",
            answer=list[BasicStreamInfo],
        ),
    ),
)
