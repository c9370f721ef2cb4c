"""Backups: another stream of the app is shown to viewers while nothing comes from the publisher of theirs.

The owner of the stream decides it, since it hears the publisher, and says so in the record; the edges do it. Nothing of
the other stream comes here.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.apps.backup_wish import BackupWish
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import RequestKeyframe
from rillcast.runtime.telemetry.logs import get_logger
from services.origin import metrics
from services.origin.domain.backup_cover import Step
from services.origin.domain.owned_stream import OwnedStream
from services.origin.ports import Clock, Plane
from services.origin.usecases.owned_streams import Owned, OwnedStreams

log = get_logger(__name__)

LEAST_S = 0.5
"""Before a publisher has been silent for so long, nobody has asked for its backup (`fields.BackupAfterMs`)."""
ASK_EVERY_S = 1.0
"""How often a publisher that is back is asked for the keyframe with which its viewers begin."""
_SAID = {
    Step.TAKEN: "Nothing comes from a publisher, its viewers are shown the backup",
    Step.OTHER: "Viewers are shown another backup",
    Step.RETURNED: "A publisher is back, its viewers are shown it again",
    Step.LOST: "The backup has no media, viewers are left with the last picture",
    Step.UNSET: "A backup is no longer asked for, viewers are left with the last picture",
}


class Backups:
    """For all streams of one origin."""

    def __init__(
        self,
        streams: OwnedStreams,
        *,
        wish: Callable[[AppName, StreamId], BackupWish | None],
        live: Callable[[str], LiveStream | None],
        plane: Plane,
        clock: Clock,
    ) -> None:
        """`wish`: which backup is asked for. `live`: what is live under a key."""
        self._streams = streams
        self._wish = wish
        self._live = live
        self._plane = plane
        self._clock = clock
        self._ask_at = 0.0

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        asks = now >= self._ask_at
        if asks:
            self._ask_at = now + ASK_EVERY_S
        for owned in self._streams:
            self._look(owned, now)
            if asks:
                self._ask_for_keyframe(owned.stream, now)
        metrics.ON_BACKUP.set(sum(owned.stream.cover.shown is not None for owned in self._streams))

    def _look(self, owned: Owned, now: float) -> None:
        stream, app = owned.stream, owned.stream.publisher.app
        if stream.cover.shown is None and stream.media.silent_s(now, connected=owned.connected) < LEAST_S:
            return
        wish = self._wish(app, stream.publisher.stream)
        shown = stream.cover.shown
        live = wish is not None and self._has_media(stream_key(app, wish.stream))
        step = stream.cover.look(stream.media, wish, now, live=live, connected=owned.connected)
        if step is None:
            return
        if stream.cover.shown is None:
            stream.uncovered(now)
        backup = stream.cover.shown or shown
        metrics.BACKUPS.labels(step.value).inc()
        log.info(_SAID[step], key=stream.key, backup=backup.stream if backup is not None else "")
        owned.hold.write()

    def _has_media(self, key: str) -> bool:
        """Of its own publisher: a stream that is shown a backup itself is none."""
        live = self._live(key)
        return live is not None and live.record.media_flowing and not live.record.silent and live.record.backup is None

    def _ask_for_keyframe(self, stream: OwnedStream, now: float) -> None:
        media = stream.media
        if stream.cover.shown is None or media.flowed_s(now) < 0 or not media.wants_keyframe:
            return
        for track, source in stream.sources.items():
            if stream.tracks[track].kind is MediaKind.VIDEO:
                try:
                    self._plane.execute(RequestKeyframe(source=source))
                except RillcastError:
                    return  # the plane is behind; asked again
