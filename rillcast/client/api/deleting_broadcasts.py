"""Calls about deleting broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result


class DeletingBroadcasts:
    """Deleting broadcasts, one or many."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def delete_broadcast(self, app: str, stream: str, *, delete_subtracks: str | None = None) -> Result:
        """Sends away who publishes it, then forgets what was set; the message says whether there was a publisher.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}``

        `app`: The app.
        `stream`: The stream's id.
        `delete_subtracks`: Whether the broadcast's subtracks are deleted as well: true or false.
        """
        query: Query = {"deleteSubtracks": delete_subtracks}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}", query=query)

    def delete_broadcasts(
        self,
        app: str,
        body: Sequence[str] | None = None,
        *,
        ids: str | None = None,
        delete_subtracks: str | None = None,
    ) -> Result:
        """Deletes those that the query names, or a JSON list in the body, up to the first that is unknown.

        ``DELETE /{app}/rest/v2/broadcasts``

        `app`: The app.
        `ids`: The ids, with commas between them.
        `delete_subtracks`: Whether the broadcast's subtracks are deleted as well: true or false.
        """
        query: Query = {"ids": ids, "deleteSubtracks": delete_subtracks}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts", query=query, body=body)
