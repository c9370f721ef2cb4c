"""Which codecs a stream will soon be had in, so that viewers who have only those are kept waiting, not refused."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.apps.ladder_wish import wish_of
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.ports import Apps, Broadcasts, Streams


class LadderOutlook:
    """Answers from memory. One per signaling instance."""

    def __init__(
        self, apps: Apps, broadcasts: Broadcasts, streams: Streams, transcoder_lives: Callable[[], bool]
    ) -> None:
        self._apps = apps
        self._broadcasts = broadcasts
        self._streams = streams
        self._transcoder_lives = transcoder_lives

    def codecs_to_come(self, app: AppName, stream: StreamId) -> tuple[str, ...]:
        """For `PlayRequest`; nothing while no transcoder takes work."""
        settings, live = self._apps.settings(app), self._streams.live(app, stream)
        if settings is None or live is None:
            return ()
        present = {supply.track.codec for supply in live.supplies() if supply.track.kind == "video"}
        coming = wish_of(settings, self._broadcasts.get(app, stream)).codecs_to_come(present)
        return coming if coming and self._transcoder_lives() else ()
