"""Calls about subtracks.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Broadcast, Result, SimpleStat


class Subtracks:
    """Broadcasts that belong to another one, their main track."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def add_subtrack(self, app: str, stream: str, *, id: str | None = None) -> Result:
        """Makes a broadcast a subtrack of this one.

        ``POST /{app}/rest/v2/broadcasts/{stream}/subtrack``

        `app`: The app.
        `stream`: The stream's id.
        `id`: The id of the subtrack.
        """
        query: Query = {"id": id}
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subtrack", query=query)

    def remove_subtrack(self, app: str, stream: str, *, id: str | None = None) -> Result:
        """Makes it none any more.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}/subtrack``

        `app`: The app.
        `stream`: The stream's id.
        `id`: The id of the subtrack.
        """
        query: Query = {"id": id}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subtrack", query=query)

    def list_subtracks(
        self, app: str, stream: str, offset: int, size: int, *, role: str | None = None
    ) -> list[Broadcast]:
        """One page of the subtracks, by stream id.

        ``GET /{app}/rest/v2/broadcasts/{stream}/subtracks/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        `role`: Only subtracks with this role.
        """
        query: Query = {"role": role}
        return self._ask(
            list[Broadcast],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subtracks/{part(offset)}/{part(size)}",
            query=query,
        )

    def list_live_subtracks(
        self, app: str, stream: str, offset: int, size: int, *, role: str | None = None
    ) -> list[Broadcast]:
        """One page of the subtracks that are live.

        ``GET /{app}/rest/v2/broadcasts/{stream}/active-subtracks/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        `role`: Only subtracks with this role.
        """
        query: Query = {"role": role}
        return self._ask(
            list[Broadcast],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/active-subtracks/{part(offset)}/{part(size)}",
            query=query,
        )

    def count_live_subtracks(self, app: str, stream: str, *, role: str | None = None) -> SimpleStat:
        """How many subtracks are live.

        ``GET /{app}/rest/v2/broadcasts/{stream}/active-subtracks-count``

        `app`: The app.
        `stream`: The stream's id.
        `role`: Only subtracks with this role.
        """
        query: Query = {"role": role}
        return self._ask(
            SimpleStat, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/active-subtracks-count", query=query
        )
