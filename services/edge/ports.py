"""What the edge needs from outside. Real ones come from `rillcast.runtime` and `rillcast.media`, fakes from
`rillcast.testing`."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.media.plane import Plane
from rillcast.runtime.ports import Bus

Clock = Callable[[], float]
"""Monotonic seconds."""


__all__ = ["Bus", "Clock", "Plane"]
