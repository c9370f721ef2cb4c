"""How well it goes for viewers, streams and nodes, in closed words, and what each word means."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Health(StrEnum):
    """How well it goes. A word of a newer version reads as UNKNOWN, so that versions can mix."""

    GOOD = "good"
    STRAINED = "strained"
    """Not as it should be, and yet whoever watches can go on."""
    BAD = "bad"
    """Somebody sees a picture that stands still or breaks, or none."""
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Health:
        return cls.UNKNOWN


class Trouble(StrEnum):
    """Why it does not go well. A word of a newer version reads as OTHER."""

    # of viewers, told by their edge
    NO_FIRST_PICTURE = "no_first_picture"
    NOTHING_SENT = "nothing_sent"
    LINK_TOO_SLOW = "link_too_slow"
    FAR_BEHIND = "far_behind"
    PACKET_LOSS = "packet_loss"
    LONG_WAY = "long_way"
    LOWER_RENDITION = "lower_rendition"
    # of streams
    ORIGIN_LOST = "origin_lost"
    PUBLISHER_SILENT = "publisher_silent"
    ON_BACKUP = "on_backup"
    NO_MEDIA_YET = "no_media_yet"
    NO_KEYFRAME = "no_keyframe"
    PUBLISHER_LOSS = "publisher_loss"
    ENCODER_SLOW = "encoder_slow"
    NOT_FED = "not_fed"
    # of nodes
    NODE_DEAD = "node_dead"
    NODE_FROZEN = "node_frozen"
    NODE_DOUBTFUL = "node_doubtful"
    NODE_CUT_OFF = "node_cut_off"
    NODE_NOT_READY = "node_not_ready"
    NODE_BUSY = "node_busy"
    NODE_DRAINING = "node_draining"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Trouble:
        return cls.OTHER


class Meaning(NamedTuple):
    """What a trouble is worth, and what it says."""

    health: Health
    sentence: str


MEANINGS = {
    Trouble.NO_FIRST_PICTURE: Meaning(Health.BAD, "The viewer is connected, and has not got a packet yet."),
    Trouble.NOTHING_SENT: Meaning(Health.BAD, "Nothing was sent to the viewer lately, so the picture stands still."),
    Trouble.LINK_TOO_SLOW: Meaning(Health.BAD, "The viewer's link does not carry even the lowest rendition."),
    Trouble.FAR_BEHIND: Meaning(Health.BAD, "The viewer is far behind: what is sent waits in a queue on the way."),
    Trouble.PACKET_LOSS: Meaning(Health.BAD, "Many packets get lost between the edge and the viewer."),
    Trouble.LONG_WAY: Meaning(Health.STRAINED, "The round trip to the viewer is long, so repairs come late."),
    Trouble.LOWER_RENDITION: Meaning(
        Health.STRAINED, "The viewer gets a lower rendition than there is, since the link does not carry more."
    ),
    Trouble.ORIGIN_LOST: Meaning(Health.BAD, "The origin of the stream is gone, or answers nobody."),
    Trouble.PUBLISHER_SILENT: Meaning(Health.BAD, "Nothing comes from the publisher."),
    Trouble.ON_BACKUP: Meaning(
        Health.STRAINED, "Nothing comes from the publisher, and viewers are shown the backup stream."
    ),
    Trouble.NO_MEDIA_YET: Meaning(Health.STRAINED, "The publisher is connected, and no media has come yet."),
    Trouble.NO_KEYFRAME: Meaning(Health.BAD, "No keyframe has come from the publisher, so nobody sees a picture."),
    Trouble.PUBLISHER_LOSS: Meaning(Health.BAD, "Many packets get lost between the publisher and the origin."),
    Trouble.ENCODER_SLOW: Meaning(
        Health.STRAINED, "The transcoder is too slow for the ladder, and leaves pictures out."
    ),
    Trouble.NOT_FED: Meaning(Health.BAD, "An edge has viewers of the stream, and its relay brings nothing."),
    Trouble.NODE_DEAD: Meaning(Health.BAD, "The node is dead."),
    Trouble.NODE_FROZEN: Meaning(Health.BAD, "The machine of the node answers, and its process does not."),
    Trouble.NODE_DOUBTFUL: Meaning(Health.BAD, "Something suggests that the node is gone, and it is being asked."),
    Trouble.NODE_CUT_OFF: Meaning(Health.BAD, "The node lives, and is cut off from the bus."),
    Trouble.NODE_NOT_READY: Meaning(Health.BAD, "The node is not ready."),
    Trouble.NODE_BUSY: Meaning(Health.STRAINED, "The node is near one of its limits."),
    Trouble.NODE_DRAINING: Meaning(Health.STRAINED, "The node drains: it takes nothing new, and what it has moves."),
    Trouble.OTHER: Meaning(Health.UNKNOWN, "Something that this version does not know."),
}
"""For each trouble. The console shows the sentences."""
