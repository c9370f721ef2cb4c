"""How many connections the memory of this process allows.

A process that takes more than its container may have is killed, with everybody in it. So whoever would be one too many
is refused. The figures are those of `python -m tests.bench.socket_memory`, rounded up.

They are of WebSockets, which take most: 39 kB, or 63 kB with TLS, when nothing happens on one; 9 kB more with a
session; with TLS 64 kB more once it has brought a large message, for which the library keeps room; some kB of the
kernel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

PLAIN_BYTES = 55_000
"""Of one connection."""
TLS_BYTES = 145_000
"""The same with TLS."""
FEWEST = 200
"""Connections that are taken however little memory there is."""

Read = Callable[[str], str]
"""The content of a file. Raises OSError."""


def memory_limit(read: Read = lambda path: Path(path).read_text(encoding="ascii")) -> int:
    """Bytes that this process may take: the least that its control group (of either version), one above it, or the
    machine has."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in _lines(read, "/proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and not controllers:
            found += _limits(read, "/sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(read, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    return min(found)


def connections_in_memory(limit: int, wanted: int, *, kept: int, tls: bool) -> int:
    """How many of the `wanted` connections `limit` bytes allow, of which `kept` are for other things."""
    return min(wanted, max(FEWEST, (limit - kept) // (TLS_BYTES if tls else PLAIN_BYTES)))


def _limits(read: Read, root: str, path: str, name: str) -> list[int]:
    """Of a control group and those above it. In a container the root is its own one, whatever the path says."""
    steps = [step for step in path.split("/") if step]
    groups = ["".join(f"/{step}" for step in steps[:depth]) for depth in range(len(steps) + 1)]
    told = [line for group in groups for line in _lines(read, f"{root}{group}/{name}")]
    return [int(line) for line in told if line.isascii() and line.isdigit()]


def _lines(read: Read, path: str) -> list[str]:
    try:
        return read(path).split("\n")
    except (OSError, UnicodeDecodeError):
        return []
