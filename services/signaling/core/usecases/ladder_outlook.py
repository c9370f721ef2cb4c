"""Which codecs a stream will soon be had in, so that viewers who have only those are kept waiting, not refused."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.apps.ladder_wish import LadderWish, wish_of
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from rillcast.contracts.words import MediaKind
from services.signaling.core.ports import Apps, Broadcasts, Streams


class LadderOutlook:
    """Answers from memory what transcoders are about to make. One per signaling instance."""

    def __init__(
        self, apps: Apps, broadcasts: Broadcasts, streams: Streams, transcoder_lives: Callable[[], bool]
    ) -> None:
        self._apps = apps
        self._broadcasts = broadcasts
        self._streams = streams
        self._transcoder_lives = transcoder_lives
        self._last: tuple[AppSettings, BroadcastRecord | None, LadderWish] | None = None
        """What was wished for by these settings. Each join asks twice, and mostly of the stream of the join before."""

    def codecs_to_come(self, app: AppName, stream: StreamId) -> tuple[str, ...]:
        """For `PlayRequest`; nothing while no transcoder takes work."""
        wish = self._wish(app, stream)
        live = self._streams.live(app, stream) if wish else None
        if not wish or live is None:
            return ()
        present = {supply.track.codec for supply in live.supplies() if supply.track.kind is MediaKind.VIDEO}
        coming = wish.codecs_to_come(present)
        return coming if coming and self._transcoder_lives() else ()

    def ladder_codecs(self, app: AppName, stream: StreamId) -> tuple[str, ...]:
        """For `PlayRequest`, likewise: whatever the stream's codec is at this moment."""
        wish = self._wish(app, stream)
        return wish.codecs_made if wish is not None and wish.codecs_made and self._transcoder_lives() else ()

    def rungs_to_come(self, app: AppName, stream: StreamId) -> bool:
        """Whether a rung that the stream is to have is not there yet; never while no transcoder takes work."""
        wish, live = self._wish(app, stream), self._streams.live(app, stream)
        if wish is None or live is None or not wish.rungs or not self._transcoder_lives():
            return False
        source = max((track.height for track in live.record.tracks), default=0)
        heights = [supply.track.height for supply in live.supplies()]
        wanted = [rung.height - rung.height % 2 for rung in wish.rungs if rung.height <= source]
        return any(not any(abs(height - one) * 10 <= one for height in heights) for one in wanted)

    def _wish(self, app: AppName, stream: StreamId) -> LadderWish | None:
        settings = self._apps.settings(app)
        if settings is None:
            return None
        broadcast = self._broadcasts.get(app, stream)
        if self._last is None or self._last[0] is not settings or self._last[1] is not broadcast:
            self._last = settings, broadcast, wish_of(settings, broadcast)
        return self._last[2]
