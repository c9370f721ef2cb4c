"""Figures of broadcasts."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table, refused
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.figures import (
    AppBroadcastStatistics,
    BroadcastStatistics,
    ReceiveStats,
    SendStats,
    WebRtcClientStats,
)
from services.signaling.rest.domain.refusal import Form
from services.signaling.rest.domain.shapes import BasicStreamInfo
from services.signaling.rest.usecases.broadcast_figures import NOT_KEPT, BroadcastFigures

ROOT = "/{app}/rest/v2/broadcasts"
NO_HISTORY = "Not Found: the figures of single streams are not kept; REST has those of the app, Prometheus the nodes'"
"""Ant Media's Community Edition has no such endpoint either."""

TABLE = Table(
    tag="figures of broadcasts",
    about="Who watches broadcasts, and what they are sent.",
    resource=BroadcastFigures,
    input="broadcast",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/total-broadcast-statistics",
            APP_OPERATOR,
            BroadcastFigures.of_app,
            "How many watch the app's broadcasts.",
            name="get_app_statistics",
            answer=AppBroadcastStatistics,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/webrtc-send-low-level-stats",
            APP_OPERATOR,
            BroadcastFigures.sent,
            "What WebRTC viewers are sent; 501 while there are any.",
            name="get_webrtc_send_stats",
            answer=SendStats,
            errors=(NOT_KEPT,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/webrtc-receive-low-level-stats",
            APP_OPERATOR,
            BroadcastFigures.received,
            "What WebRTC publishers send; 501 while there are any.",
            name="get_webrtc_receive_stats",
            answer=ReceiveStats,
            errors=(NOT_KEPT,),
            example={"app": "LiveApp"},
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/broadcast-statistics",
            APP_OPERATOR,
            BroadcastFigures.of_one,
            "How many watch a broadcast; −1 where there is nothing to count.",
            name="get_broadcast_statistics",
            answer=BroadcastStatistics,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/webrtc-client-stats/{{offset}}/{{size}}",
            APP_OPERATOR,
            BroadcastFigures.of_clients,
            "Figures of its viewers; 501 while there are any.",
            name="list_webrtc_client_stats",
            answer=list[WebRtcClientStats],
            errors=(NOT_KEPT,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/stream-info",
            APP_OPERATOR,
            BroadcastFigures.renditions,
            "What a viewer may be sent; empty while the stream isn't live.",
            name="list_renditions",
            answer=list[BasicStreamInfo],
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/metrics-history",
            APP_OPERATOR,
            refused(NO_HISTORY, 404, Form.PAGE),
            "How a broadcast did lately.",
            answer=Result,
            name="get_broadcast_history",
        ),
    ),
)
