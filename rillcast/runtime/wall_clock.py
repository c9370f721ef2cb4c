"""The clock on the wall, which other nodes have as well. It may be wrong, and it may jump."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """The Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
