"""Shapes of calls about cluster.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class ClusterNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A node as Ant Media's dashboard lists it."""

    id: str
    ip: str
    last_update_time: int
    memory: str | None
    cpu: str
    db_query_avearge_time_ms: int = 0
    note: str
    status: str
    streams: int
    viewers: int
