"""Policy: the viewer's own zone first, then its region, then other regions in the order the operator gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Place(msgspec.Struct, frozen=True):
    """Where a client is. What is empty is not known."""

    region: str = ""
    zone: str = ""


class RegionOrder:
    """For each region, which others come next. Regions that are not listed come last, all at once."""

    def __init__(self, nearest: Mapping[str, Sequence[str]] | None = None) -> None:
        self._after = {region: tuple(dict.fromkeys(others)) for region, others in (nearest or {}).items()}

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

    def after(self, region: str) -> tuple[str, ...]:
        """The listed ones, the nearest first."""
        return self._after.get(region, ())
