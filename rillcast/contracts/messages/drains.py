"""Leaving without harm: what signaling asks of a node that is to be emptied, and how far it is."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Count, DurationS, Text, Word
from rillcast.contracts.words import DrainAction, DrainPhase

MOST_NAMED = 50
"""Of those who were cut off, so many are named."""
MOST_DEADLINE_S = 86_400.0


class DrainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Begin a drain, hurry it, take it back, or only look at it."""

    action: DrainAction
    deadline_s: DurationS | None = None
    """For BEGIN: how long the drain may take, counted from now. None = what the settings of the node say; while it
    drains already, the deadline that it has."""


class DrainCount(msgspec.Struct, frozen=True, kw_only=True):
    """Of one sort of thing that keeps a node from being empty."""

    began: Count = 0
    """How many there were when the drain began."""
    left: Count = 0
    """How many of them are still there."""
    cut: Count = 0
    """How many were ended although no other node had taken them. All others have moved, or left by themselves."""

    @property
    def moved(self) -> int:
        """How many have gone without harm."""
        return max(0, self.began - self.left - self.cut)


class DrainProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a node is."""

    phase: DrainPhase
    deadline_s: DurationS = 0.0
    """How long the drain may take in all."""
    left_s: DurationS = 0.0
    """How much of that is left."""
    ending: bool = False
    """Whether the process ends afterwards."""
    viewers: DrainCount = DrainCount()
    publishers: DrainCount = DrainCount()
    relays: DrainCount = DrainCount()
    """Tracks that other nodes take from here."""
    jobs: DrainCount = DrainCount()
    """Media jobs, such as ladders."""
    cut: tuple[Word, ...] = ()
    """Who was cut off: at most `MOST_NAMED`, and nobody in heartbeats."""
    obstacle: Text = ""
    """Why nobody can be moved at this moment; empty when somebody can."""
