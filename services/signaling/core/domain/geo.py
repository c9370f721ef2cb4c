"""Which region of this cluster a country or continent belongs to, as the operator states it."""

from __future__ import annotations

from services.signaling.core.domain.region import is_region_name


def parse_geo_regions(text: str) -> dict[str, str]:
    """``DE=eu-central,EU=eu-west``. Raises ValueError naming the part it can't read."""
    found: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        code, equals, region = (piece.strip() for piece in part.partition("="))
        if not equals or len(code) != 2 or not code.isalpha() or not is_region_name(region):
            raise ValueError(f"expected 'CC=region', got {part!r}")
        found[code.upper()] = region
    return found
