"""How many connections the operating system lets a listener keep: each takes one file descriptor of the process."""

from __future__ import annotations

import resource

from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

HEADROOM = 1_500
"""Kept for the admin listener, lifelines, the bus, files: less if the limit is small."""
ADMIN_SHARE = 4
"""Of what is kept, one part in so many is for the admin listener, one for the lifelines that others hold to this node,
and one for those that this node holds to others."""


def admin_connections() -> int:
    """How many connections the admin listener may have: they are kept back whatever a public listener has."""
    return _headroom(raise_open_files()) // ADMIN_SHARE


def lifeline_connections() -> int:
    """How many lifelines this node may hold, and how many others may hold to it: both are kept back likewise."""
    return _headroom(raise_open_files()) // ADMIN_SHARE


def affordable_connections(wanted: int) -> int:
    """`wanted`, or what the limit of open files leaves, which is raised as far as it may be. Warns if that is less."""
    left = connections_within(raise_open_files(), wanted)
    if left < wanted:
        log.warning("The limit of open files allows fewer connections than the settings", wanted=wanted, allowed=left)
    return left


def connections_within(open_files: int, wanted: int) -> int:
    """How many of the `wanted` connections so many open files allow. `HEADROOM` files are kept for other things, or a
    quarter of the limit if that is less."""
    return min(wanted, open_files - _headroom(open_files))


def _headroom(open_files: int) -> int:
    return min(HEADROOM, open_files // 4)


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one, which needs no privilege. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30
