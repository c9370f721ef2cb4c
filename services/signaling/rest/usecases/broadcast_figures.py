"""Figures of broadcasts: who watches, and what they are sent."""

from __future__ import annotations

from typing import NoReturn

from rillcast.contracts.ids import is_stream_id
from services.signaling.core.ports import Audience
from services.signaling.rest.domain.figures import (
    AppBroadcastStatistics,
    BroadcastStatistics,
    ReceiveStats,
    SendStats,
    WebRtcClientStats,
)
from services.signaling.rest.domain.parameters import App, Offset, Size, Stream
from services.signaling.rest.domain.refusal import Refusal, Refused
from services.signaling.rest.domain.shapes import BasicStreamInfo, basic_stream_info
from services.signaling.rest.ports import PublishedStreams
from services.signaling.rest.usecases.shown_broadcasts import ShownBroadcasts

NOT_KEPT = Refusal(
    501, "There are clients, and signaling has no figures of single ones; the metrics of the nodes have."
)


class BroadcastFigures:
    """One per signaling instance."""

    def __init__(self, *, streams: PublishedStreams, shown: ShownBroadcasts, audience: Audience) -> None:
        self._streams = streams
        self._shown = shown
        self._audience = audience

    async def of_one(self, app: App, stream: Stream) -> BroadcastStatistics:
        """The viewers of one broadcast; −1 for those of an unknown one, and for protocols that are not there."""
        if self._shown.one(app, stream) is None:
            return BroadcastStatistics()
        return BroadcastStatistics(hls=0, web_rtc=self._audience.viewers(app, stream), dash=0)

    async def of_app(self, app: App) -> AppBroadcastStatistics:
        """The viewers of an app."""
        viewers = self._audience.viewers_of_app(app)
        return AppBroadcastStatistics(hls=0, web_rtc=viewers, dash=0, active_live_stream_count=self._shown.live(app))

    async def renditions(self, app: App, stream: Stream) -> list[BasicStreamInfo]:
        """What a viewer may be sent; empty while it isn't live."""
        live = self._streams.published(app, stream) if is_stream_id(stream) else None
        return [] if live is None else basic_stream_info(live)

    async def of_clients(self, app: App, stream: Stream, offset: Offset, size: Size) -> list[WebRtcClientStats]:
        """A list with no entry when nobody watches. Raises `Refused` when somebody does."""
        if is_stream_id(stream) and self._audience.viewers(app, stream):
            self._refuse()
        return []

    async def sent(self, app: App) -> SendStats:
        """Nothing, when nobody watches. Raises `Refused` when somebody does."""
        if self._audience.viewers_of_app(app):
            self._refuse()
        return SendStats()

    async def received(self, app: App) -> ReceiveStats:
        """Nothing, when nobody publishes. Raises `Refused` when somebody does."""
        if self._shown.live(app):
            self._refuse()
        return ReceiveStats()

    @staticmethod
    def _refuse() -> NoReturn:
        raise Refused(NOT_KEPT)
