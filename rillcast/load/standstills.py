"""How long the pictures of viewers stood still, also from the last one at a node to the first one at the next."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rillcast.load.classes import Second

WATCHED_US = 2_200_000
"""A peer that was replaced is looked at for so long after the first picture of its successor: two of its seconds."""


class Standstill(msgspec.Struct, frozen=True):
    """One time without a new picture, longer than between pictures otherwise (150 ms at least)."""

    viewer: int
    began_us: int
    """By the monotonic clock of this machine."""
    lasted_us: int


class _Peer(msgspec.Struct):
    """What the last second of a peer said."""

    at_us: int = 0
    standing_us: int = 0

    @property
    def shown_us(self) -> int:
        """When its last picture was, at the latest."""
        return self.at_us - self.standing_us


class Standstills:
    """Of viewers behind links. Each has one peer at a time, and another one after a move."""

    def __init__(self, *, seen: bool = True) -> None:
        """`seen`: viewers look at their pictures, so that there are seconds of them. Otherwise moves are followed and
        nothing is measured."""
        self._seen = seen
        self.all: list[Standstill] = []
        self._peers: dict[int, _Peer] = {}
        self._present: dict[int, int] = {}
        """The peer of each viewer."""
        self._replaced: list[tuple[int, int, int]] = []
        """(viewer, peer before, when its successor showed its first picture)."""

    def begins(self, viewer: int, peer: int, at_us: int) -> None:
        """A peer shows its first picture."""
        before = self._present.get(viewer)
        self._present[viewer] = peer
        self._peers.setdefault(peer, _Peer(at_us))
        if before is not None and before != peer:
            self._replaced.append((viewer, before, at_us))

    def add(self, seconds: Iterable[tuple[int, Second]]) -> None:
        """Seconds with their viewers. Several standstills within a second count as equally long."""
        for viewer, second in seconds:
            if (peer := self._peers.get(second.id)) is None:
                continue
            peer.at_us, peer.standing_us = second.at_us, second.standing_us
            if second.freezes and self._present.get(viewer) == second.id:
                lasted = second.frozen_us // second.freezes
                self.all += [Standstill(viewer, second.at_us - lasted, lasted)] * second.freezes

    def settle(self, now_us: int) -> list[int]:
        """Count the moves that are over; the peers that nobody needs any more."""
        over = [entry for entry in self._replaced if now_us >= entry[2] + WATCHED_US]
        self._replaced = [entry for entry in self._replaced if now_us < entry[2] + WATCHED_US]
        for viewer, before, at_us in over:
            peer = self._peers.pop(before)
            if self._seen and at_us > peer.shown_us:
                self.all.append(Standstill(viewer, peer.shown_us, at_us - peer.shown_us))
        return [before for _, before, _ in over]

    def standing(self, longer_than_us: int) -> list[int]:
        """Viewers whose present picture stands still for so long already."""
        present = self._present.items()
        return sorted(v for v, peer in present if self._peers[peer].standing_us > longer_than_us)

    def longest_us(self, viewers: int, since_us: int, until_us: int | None = None) -> list[int]:
        """Of each viewer the longest one that ended after the one moment, and began before the other; 0 without any."""
        longest = [0] * viewers
        for one in self.all:
            if one.began_us + one.lasted_us > since_us and (until_us is None or one.began_us < until_us):
                longest[one.viewer] = max(longest[one.viewer], one.lasted_us)
        return longest
