"""What the viewers of one stream are shown: its publisher, or the backup that was set for it.

    PUBLISHER ──silent──▶ BACKUP ──media, and a keyframe──▶ PUBLISHER
        ▲──── the backup is gone, or no longer asked for ────┘

A publisher that comes and goes does not make its viewers go to and fro: it has to be back for a while, and longer each
time that it fell silent again soon.
"""

from __future__ import annotations

import math
from enum import StrEnum

from rillcast.apps.backup_wish import BackupWish
from services.origin.domain.publisher_media import PublisherMedia

BACK_S = 1.0
"""How long the media of a publisher must have flowed again. The figures come once a second, so this is one to two
seconds after its first packet."""
RELAPSE_S = 15.0
"""Falling silent so soon after the return doubles the time that the next return takes."""
MOST_BACK_S = 8.0


class Step(StrEnum):
    """What changes for the viewers. The values are labels of a metric."""

    TAKEN = "taken"
    """They are shown the backup."""
    OTHER = "other"
    """They are shown another backup, or the same for another time."""
    RETURNED = "returned"
    """The publisher is back."""
    LOST = "lost"
    """The backup itself is silent or over: they see the publisher's last picture."""
    UNSET = "unset"
    """A backup is no longer asked for."""


class BackupCover:
    """The state of one stream. `now` is always monotonic seconds."""

    def __init__(self) -> None:
        self.shown: BackupWish | None = None
        """The backup that viewers are shown; None: the publisher."""
        self._back_s = BACK_S
        self._returned_at = -math.inf

    def look(
        self, media: PublisherMedia, wish: BackupWish | None, now: float, *, live: bool, connected: bool
    ) -> Step | None:
        """What is to change now. Call several times a second. `wish`: what is asked for now. `live`: whether the
        backup that it names has media. `connected`: whether the publisher's session is there."""
        if self.shown is None:
            return self._take(media, wish, now, live=live, connected=connected)
        if wish is None:
            return self._leave(Step.UNSET)
        if not live:
            return self._leave(Step.LOST)
        if media.flowed_s(now) >= self._back_s and not media.wants_keyframe:
            self._returned_at = now
            return self._leave(Step.RETURNED)
        if wish != self.shown:
            self.shown = wish
            return Step.OTHER
        return None

    def keeps(self, gone_at: float, now: float) -> bool:
        """Whether a stream goes on whose publisher was gone at `gone_at`."""
        return self.shown is not None and now < gone_at + self.shown.longest_s

    def _take(
        self, media: PublisherMedia, wish: BackupWish | None, now: float, *, live: bool, connected: bool
    ) -> Step | None:
        if wish is None or not live or media.silent_s(now, connected=connected) < wish.after_s:
            return None
        relapse = now - self._returned_at < RELAPSE_S
        self._back_s = min(MOST_BACK_S, self._back_s * 2) if relapse else BACK_S
        media.await_keyframe()
        self.shown = wish
        return Step.TAKEN

    def _leave(self, step: Step) -> Step:
        self.shown = None
        return step
