"""Who may have a stream id that is already live. The owner of the living session decides, by this rule:

1. The same credential digest is the same publisher: it takes over at once, whatever its old session does.
2. Another digest never displaces a publisher who showed credentials (token, subscriber). The id stays reserved for it
   until its session ends and its grace time is over.
3. Another digest displaces a publisher without credentials (its digest is only address and user agent, and both may
   change with its network) once that publisher is absent: nothing received for 3 s, or its session or its signaling
   socket is gone and only the grace time keeps the stream.
"""

from __future__ import annotations

import msgspec

SILENT_S = 3.0
"""A publisher that sends audio or video is heard at least every 20 ms; WiFi handovers take up to 2 s."""


class Living(msgspec.Struct, frozen=True, kw_only=True):
    """The session that has the stream now."""

    credential_digest: str
    has_credentials: bool
    in_grace: bool
    """Its session or socket is gone; the stream waits for its return."""
    last_heard_s: float
    """How long ago its last packet came, or it was opened if none came yet."""

    @property
    def absent(self) -> bool:
        """Whether rule 3 takes it for gone."""
        return self.in_grace or self.last_heard_s > SILENT_S


def may_take_over(living: Living, credential_digest: str) -> bool:
    """Whether a newcomer with this digest gets the stream."""
    if is_same_publisher(living.credential_digest, credential_digest):
        return True
    return living.absent and not living.has_credentials


def is_same_publisher(one: str, other: str) -> bool:
    """Rule 1. An empty digest identifies nobody."""
    return bool(one) and one == other
