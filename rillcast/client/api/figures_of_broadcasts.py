"""Calls about figures of broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, part
from rillcast.client.shapes.figures_of_broadcasts import (
    AppBroadcastStatistics,
    BasicStreamInfo,
    BroadcastStatistics,
    ReceiveStats,
    SendStats,
    WebRtcClientStats,
)


class FiguresOfBroadcasts:
    """Who watches broadcasts, and what they are sent."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_app_statistics(self, app: str) -> AppBroadcastStatistics:
        """How many watch the app's broadcasts.

        ``GET /{app}/rest/v2/broadcasts/total-broadcast-statistics``

        `app`: The app.
        """
        return self._ask(AppBroadcastStatistics, "GET", f"/{part(app)}/rest/v2/broadcasts/total-broadcast-statistics")

    def get_webrtc_send_stats(self, app: str) -> SendStats:
        """What WebRTC viewers are sent; 501 while there are any.

        ``GET /{app}/rest/v2/broadcasts/webrtc-send-low-level-stats``

        `app`: The app.
        """
        return self._ask(SendStats, "GET", f"/{part(app)}/rest/v2/broadcasts/webrtc-send-low-level-stats")

    def get_webrtc_receive_stats(self, app: str) -> ReceiveStats:
        """What WebRTC publishers send; 501 while there are any.

        ``GET /{app}/rest/v2/broadcasts/webrtc-receive-low-level-stats``

        `app`: The app.
        """
        return self._ask(ReceiveStats, "GET", f"/{part(app)}/rest/v2/broadcasts/webrtc-receive-low-level-stats")

    def get_broadcast_statistics(self, app: str, stream: str) -> BroadcastStatistics:
        """How many watch a broadcast; −1 where there is nothing to count.

        ``GET /{app}/rest/v2/broadcasts/{stream}/broadcast-statistics``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(
            BroadcastStatistics, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/broadcast-statistics"
        )

    def list_webrtc_client_stats(self, app: str, stream: str, offset: int, size: int) -> list[WebRtcClientStats]:
        """Figures of its viewers; 501 while there are any.

        ``GET /{app}/rest/v2/broadcasts/{stream}/webrtc-client-stats/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        """
        return self._ask(
            list[WebRtcClientStats],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/webrtc-client-stats/{part(offset)}/{part(size)}",
        )

    def list_renditions(self, app: str, stream: str) -> list[BasicStreamInfo]:
        """What a viewer may be sent; empty while the stream isn't live.

        ``GET /{app}/rest/v2/broadcasts/{stream}/stream-info``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(list[BasicStreamInfo], "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/stream-info")
