"""How far a viewer's session has come.

             offer sent              answered              begun
OPENING ──────────────────▶ OFFERED ─────────▶ ANSWERED ──────────▶ CONNECTING ──▶ CONNECTED ──▶ MEDIA
   └────────── begun: the client sent the offer (WHEP) ─────────────────▲
and from everywhere: ended ──▶ ENDED
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Stage(IntEnum):
    """In order, so that they can be compared."""

    OPENING = 0
    """The play request is being carried out."""
    OFFERED = 1
    """The client has our offer."""
    ANSWERED = 2
    """The client's answer is being carried out."""
    CONNECTING = 3
    """The plane has the session."""
    CONNECTED = 4
    """ICE and DTLS are up."""
    MEDIA = 5
    """The first media packet was sent."""
    ENDED = 6


class StageEvent(Enum):
    """What moves a session on."""

    OFFER_SENT = auto()
    ANSWERED = auto()
    BEGUN = auto()
    CONNECTED = auto()
    MEDIA = auto()
    ENDED = auto()


TRANSITIONS: dict[tuple[Stage, StageEvent], Stage] = {
    (Stage.OPENING, StageEvent.OFFER_SENT): Stage.OFFERED,
    (Stage.OPENING, StageEvent.BEGUN): Stage.CONNECTING,
    (Stage.OPENING, StageEvent.ENDED): Stage.ENDED,
    (Stage.OFFERED, StageEvent.ANSWERED): Stage.ANSWERED,
    (Stage.OFFERED, StageEvent.ENDED): Stage.ENDED,
    (Stage.ANSWERED, StageEvent.BEGUN): Stage.CONNECTING,
    (Stage.ANSWERED, StageEvent.ENDED): Stage.ENDED,
    (Stage.CONNECTING, StageEvent.CONNECTED): Stage.CONNECTED,
    (Stage.CONNECTING, StageEvent.MEDIA): Stage.MEDIA,
    (Stage.CONNECTING, StageEvent.ENDED): Stage.ENDED,
    (Stage.CONNECTED, StageEvent.CONNECTED): Stage.CONNECTED,  # after an ICE restart
    (Stage.CONNECTED, StageEvent.MEDIA): Stage.MEDIA,
    (Stage.CONNECTED, StageEvent.ENDED): Stage.ENDED,
    (Stage.MEDIA, StageEvent.CONNECTED): Stage.MEDIA,
    (Stage.MEDIA, StageEvent.MEDIA): Stage.MEDIA,
    (Stage.MEDIA, StageEvent.ENDED): Stage.ENDED,
    (Stage.ENDED, StageEvent.ENDED): Stage.ENDED,
}
"""Every pair that is not here is a bug of the caller."""
