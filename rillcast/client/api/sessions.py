"""Calls about sessions.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query
from rillcast.client.shapes.sessions import JoinStatus


class Sessions:
    """The last 10000 joins of the cluster, of the last seven days, and what became of them."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_sessions(
        self,
        *,
        app: str | None = None,
        stream: str | None = None,
        role: str | None = None,
        node: str | None = None,
        zone: str | None = None,
        who: str | None = None,
        reason: str | None = None,
        state: str | None = None,
        since: int | None = None,
        until: int | None = None,
        offset: int | None = None,
        size: int | None = None,
    ) -> list[JoinStatus]:
        """Joins with the times of their stages and the reason of their end, the newest first.

        ``GET /rillcast/v1/sessions``

        `app`: Only those of this app.
        `stream`: Only those of this stream.
        `role`: Only those to publish, or to play: publish or play.
        `node`: Only those that are, or were, at this origin or edge.
        `zone`: Only those at nodes of this zone.
        `who`: Only those of this subscriber.
        `reason`: Only those that ended, or came to nothing, for this reason.
        `state`: Only those in this state: live, over, refused, failed, lost.
        `since`: Only those that were there at this time or later, in Unix milliseconds.
        `until`: Only those that were there at this time or before, in Unix milliseconds; 0: at any time.
        `offset`: How many to pass over.
        `size`: How many at most.
        """
        query: Query = {
            "app": app,
            "stream": stream,
            "role": role,
            "node": node,
            "zone": zone,
            "who": who,
            "reason": reason,
            "state": state,
            "since": since,
            "until": until,
            "offset": offset,
            "size": size,
        }
        return self._ask(list[JoinStatus], "GET", "/rillcast/v1/sessions", query=query)
