"""Who waits for whom: each receiver has some lines, and what concerns one stream or one viewer stays in one of them."""

from __future__ import annotations

import zlib

from services.signaling.core.domain.tokens import digest

LANES = 8
"""Lines of one receiver, each in its order: so much is told to one receiver at one time."""


def line_of(url: str, about: str) -> str:
    """The line for a receiver. `about`: what must stay in order, such as a stream."""
    return f"{digest(url)[:24]}-{zlib.crc32(about.encode()) % LANES}"


def receiver_of(line: str) -> str:
    """What the lines of one receiver have in common."""
    return line.rpartition("-")[0]


def pause_s(first_ms: int, failures: int) -> float:
    """How long to wait before an event is sent again that failed so often. Each pause is twice as long, up to a minute
    or the first one, whichever is longer."""
    first_s = first_ms / 1_000
    return min(first_s * float(2 ** min(failures - 1, 16)), max(first_s, 60.0))
