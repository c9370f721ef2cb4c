"""Calls about traces.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query
from rillcast.client.shapes.traces import FoundTraces


class Traces:
    """What took how long, and where, across all nodes: of joins, moves, failovers, drains and the like."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_traces(
        self,
        *,
        about: str | None = None,
        app: str | None = None,
        name: str | None = None,
        failed: bool | None = None,
        size: int | None = None,
    ) -> FoundTraces:
        """The newest traces, whole, put together of what the nodes still have in memory.

        ``GET /rillcast/v1/traces``

        `about`: A stream, a session or a trace: only traces that are about it.
        `app`: Only those of this app.
        `name`: Only those whose root has this in its name: play, publish, drain.
        `failed`: Only those in which something went wrong.
        `size`: How many at most.
        """
        query: Query = {"about": about, "app": app, "name": name, "failed": failed, "size": size}
        return self._ask(FoundTraces, "GET", "/rillcast/v1/traces", query=query)
