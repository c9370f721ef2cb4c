"""Media types: what a client accepts, and what it sends."""

from __future__ import annotations

JSON = "application/json"


def accepts(accept: str, media_type: str) -> bool:
    """Whether the value of an ``Accept`` header allows a media type: the most specific range that fits decides (RFC
    9110, 12.5.1). An empty one allows everything."""
    if not accept.strip():
        return True
    ranges = {media_type: 2, f"{media_type.partition('/')[0]}/*": 1, "*/*": 0}
    fitting = [(ranges[name], quality) for name, quality in map(_weighed, accept.split(",")) if name in ranges]
    return max(fitting, default=(0, 0.0))[1] > 0


def _weighed(one: str) -> tuple[str, float]:
    """A range and its weight; a weight that is no number is none."""
    name, *parameters = (part.strip().lower() for part in one.split(";"))
    weights = [value for key, _, value in (parameter.partition("=") for parameter in parameters) if key.strip() == "q"]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 1.0
