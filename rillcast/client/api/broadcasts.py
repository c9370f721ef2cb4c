"""Calls about broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.broadcasts import KeptBroadcastPatch
from rillcast.client.shapes.common import Broadcast, Result, SimpleStat


class Broadcasts:
    """Broadcasts: those that are live, and those for which something was set."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def create_broadcast(
        self, app: str, body: KeptBroadcastPatch | None = None, *, auto_start: str | None = None
    ) -> Broadcast:
        """Creates a broadcast. Without a streamId it gets one. A body that is one text is its name.

        ``POST /{app}/rest/v2/broadcasts/create``

        `app`: The app.
        `auto_start`: Whether to start it at once: true or false.
        """
        query: Query = {"autoStart": auto_start}
        return self._ask(Broadcast, "POST", f"/{part(app)}/rest/v2/broadcasts/create", query=query, body=body)

    def create_broadcasts(
        self, app: str, body: Sequence[dict[str, Any]], *, on_duplicate: str | None = None
    ) -> list[Result]:
        """Creates several broadcasts, or none when an id is taken.

        ``POST /{app}/rest/v2/broadcasts/create-list``

        `app`: The app.
        `on_duplicate`: What becomes of ids that are taken: skip or overwrite. Without it nothing is created.
        """
        query: Query = {"onDuplicate": on_duplicate}
        return self._ask(list[Result], "POST", f"/{part(app)}/rest/v2/broadcasts/create-list", query=query, body=body)

    def list_broadcasts(
        self,
        app: str,
        offset: int,
        size: int,
        *,
        type_by: str | None = None,
        sort_by: str | None = None,
        order_by: str | None = None,
        search: str | None = None,
    ) -> list[Broadcast]:
        """One page of the broadcasts, by stream id or as it is asked.

        ``GET /{app}/rest/v2/broadcasts/list/{offset}/{size}``

        `app`: The app.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        `type_by`: Only broadcasts of this type.
        `sort_by`: What the list is sorted by: name, date or status. Without it, the stream's id.
        `order_by`: The direction of the list: asc or desc.
        `search`: A part of the id or of the name; capitals do not matter.
        """
        query: Query = {"type_by": type_by, "sort_by": sort_by, "order_by": order_by, "search": search}
        return self._ask(
            list[Broadcast], "GET", f"/{part(app)}/rest/v2/broadcasts/list/{part(offset)}/{part(size)}", query=query
        )

    def count_broadcasts(self, app: str) -> SimpleStat:
        """How many broadcasts there are.

        ``GET /{app}/rest/v2/broadcasts/count``

        `app`: The app.
        """
        return self._ask(SimpleStat, "GET", f"/{part(app)}/rest/v2/broadcasts/count")

    def count_found_broadcasts(self, app: str, search: str) -> SimpleStat:
        """How many broadcasts there are with these words.

        ``GET /{app}/rest/v2/broadcasts/count/{search}``

        `app`: The app.
        `search`: A part of the id or of the name; capitals do not matter.
        """
        return self._ask(SimpleStat, "GET", f"/{part(app)}/rest/v2/broadcasts/count/{part(search)}")

    def count_live_broadcasts(self, app: str) -> SimpleStat:
        """How many broadcasts are live.

        ``GET /{app}/rest/v2/broadcasts/active-live-stream-count``

        `app`: The app.
        """
        return self._ask(SimpleStat, "GET", f"/{part(app)}/rest/v2/broadcasts/active-live-stream-count")

    def get_broadcast(self, app: str, stream: str) -> Broadcast:
        """One broadcast.

        ``GET /{app}/rest/v2/broadcasts/{stream}``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Broadcast, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}")

    def change_broadcast(self, app: str, stream: str, body: KeptBroadcastPatch | None = None) -> Result:
        """Changes the keys that are given. An unknown broadcast is answered 200 and `success: false`.

        ``PUT /{app}/rest/v2/broadcasts/{stream}``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "PUT", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}", body=body)
