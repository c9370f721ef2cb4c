"""Policy: the viewer's own zone first, then its region, then other regions in the order the operator gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rillcast.contracts.messages import NodeReport


class Place(msgspec.Struct, frozen=True):
    """Where a client is. What is empty is not known."""

    region: str = ""
    zone: str = ""


class RegionOrder:
    """For each region, which others come next. A region that is not listed comes last."""

    def __init__(self, nearest: Mapping[str, Sequence[str]] | None = None) -> None:
        self._rank = {
            region: {other: rank for rank, other in enumerate(others)} for region, others in (nearest or {}).items()
        }

    @classmethod
    def parse(cls, text: str) -> RegionOrder:
        """``eu-west>eu-central,us-east; us-east>us-west``. Raises ValueError naming the part it can't read."""
        nearest: dict[str, list[str]] = {}
        for part in filter(None, (p.strip() for p in text.split(";"))):
            region, arrow, others = part.partition(">")
            names = [name.strip() for name in others.split(",")]
            if not arrow or not region.strip() or not all(names):
                raise ValueError(f"expected 'region>next,next…', got {part!r}")
            nearest[region.strip()] = names
        return cls(nearest)

    def distance(self, place: Place, report: NodeReport) -> int:
        """How far a node is from a place: a smaller number is nearer. Equal distances form one tier."""
        info = report.info
        if not place.region:
            return 0
        if info.region == place.region:
            return 0 if place.zone and info.zone == place.zone else 1
        ranks = self._rank.get(place.region, {})
        return 2 + ranks.get(info.region, len(ranks))

    def tiers(self, place: Place, reports: Iterable[NodeReport]) -> list[list[NodeReport]]:
        """The nodes in tiers by their distance, the nearest first."""
        found: dict[int, list[NodeReport]] = {}
        for report in reports:
            found.setdefault(self.distance(place, report), []).append(report)
        return [found[distance] for distance in sorted(found)]
