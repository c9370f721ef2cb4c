"""Decides who suffers, and why: viewers by the figures of their links, streams by those of their viewers, nodes by what
they say of themselves and by what is thought of them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rillcast.contracts.health import MEANINGS, Health, Trouble
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import DrainPhase

FIRST_PICTURE_S = 3.0
"""A viewer who is connected has media by then."""
STALLED_S = 2.0
"""After so long without a packet a player has nothing left to show."""
LOSS = 0.05
"""Repairs hide less than that."""
BEHIND_MS = 1_500.0
LONG_WAY_MS = 400.0
"""A repair takes a round trip, and players wait some hundred milliseconds for it."""
PUBLISHER_LOSS = 0.02
"""Of what never came although it was asked for again."""
MANY = 0.1
"""The share of a stream's viewers that may suffer before the stream itself is called bad."""
BUSY = 0.85
"""The share of a limit from which on a node is called busy."""
_RANK = {Health.GOOD: 0, Health.UNKNOWN: 1, Health.STRAINED: 2, Health.BAD: 3}
_OVER = frozenset({DrainPhase.DRAINED, DrainPhase.CUT})


class ViewerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one viewer."""

    connected_s: float
    """Since when ICE and DTLS are up."""
    media: bool
    """Whether the first packet was sent."""
    stalled_s: float = 0.0
    """For how long nothing was sent although something should be."""
    loss: float = 0.0
    """The share of packets lost, averaged over some seconds."""
    rtt_ms: float = 0.0
    lag_ms: float = 0.0
    starved: bool = False
    """Not even the lowest rendition fits the link."""
    lower: bool = False
    """There is a higher rendition that the viewer did not refuse."""


class Verdict(msgspec.Struct, frozen=True):
    """How well it goes, and if not well, why."""

    health: Health = Health.GOOD
    trouble: Trouble | None = None

    @classmethod
    def of(cls, trouble: Trouble | None) -> Verdict:
        """What a trouble is worth."""
        return _GOOD if trouble is None else _VERDICTS[trouble]

    @property
    def rank(self) -> int:
        """A number by which verdicts are compared: higher is worse."""
        return _RANK[self.health]


_GOOD = Verdict()
_VERDICTS = {trouble: Verdict(meaning.health, trouble) for trouble, meaning in MEANINGS.items()}


def viewer_trouble(figures: ViewerFigures) -> Trouble | None:
    """The worst that a viewer has; None when all is well. Asked once a second for each viewer."""
    if not figures.media:
        return Trouble.NO_FIRST_PICTURE if figures.connected_s >= FIRST_PICTURE_S else None
    found: Trouble | None = None
    if figures.stalled_s >= STALLED_S:
        found = Trouble.NOTHING_SENT
    elif figures.starved:
        found = Trouble.LINK_TOO_SLOW
    elif figures.lag_ms >= BEHIND_MS:
        found = Trouble.FAR_BEHIND
    elif figures.loss >= LOSS:
        found = Trouble.PACKET_LOSS
    elif figures.rtt_ms >= LONG_WAY_MS:
        found = Trouble.LONG_WAY
    elif figures.lower:
        found = Trouble.LOWER_RENDITION
    return found


class StreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream."""

    owner_lost: bool = False
    media_flowing: bool = True
    silent: bool = False
    on_backup: bool = False
    viewers: int = 0


def stream_verdict(facts: StreamFacts, told: Mapping[Trouble, int]) -> Verdict:
    """How well it goes for those who watch a stream. `told`: what nodes say of it and of its viewers, with the number
    of viewers concerned; 0 where a trouble is the stream's own."""
    by_record = _by_record(facts)
    if by_record is not None:
        return Verdict.of(by_record)
    if not told:
        return _GOOD
    own = [Verdict.of(trouble) for trouble, viewers in told.items() if not viewers]
    worst = max(own, key=lambda one: one.rank, default=_GOOD)
    if worst.health is Health.BAD:
        return worst
    bad = {trouble: count for trouble, count in told.items() if count and MEANINGS[trouble].health is Health.BAD}
    if bad:
        many = sum(bad.values()) > MANY * max(1, facts.viewers)
        return Verdict(Health.BAD if many else Health.STRAINED, _most(bad))
    if own:
        return worst
    mild = {trouble: count for trouble, count in told.items() if count}
    many = sum(mild.values()) > MANY * max(1, facts.viewers)
    return Verdict(Health.STRAINED if many else Health.GOOD, _most(mild))


def _by_record(facts: StreamFacts) -> Trouble | None:
    if facts.owner_lost:
        return Trouble.ORIGIN_LOST
    if not facts.media_flowing:
        return Trouble.NO_MEDIA_YET
    if facts.on_backup:
        return Trouble.ON_BACKUP
    return Trouble.PUBLISHER_SILENT if facts.silent else None


def _most(counts: Mapping[Trouble, int]) -> Trouble:
    return max(counts, key=lambda one: counts[one])


def node_verdict(report: NodeReport, doubt: Trouble | None) -> Verdict:
    """How well it goes for a node. `doubt`: what is thought of it, if it is not trusted."""
    if doubt is not None:
        return Verdict.of(doubt)
    if report.draining:
        drained = report.drain is not None and report.drain.phase in _OVER
        return Verdict(Health.GOOD if drained else Health.STRAINED, Trouble.NODE_DRAINING)
    if not report.ready:
        return Verdict.of(Trouble.NODE_NOT_READY)
    if report.store_lost:
        return Verdict.of(Trouble.NODE_CUT_OFF)
    return Verdict.of(Trouble.NODE_BUSY if report.load.highest() >= BUSY else None)
