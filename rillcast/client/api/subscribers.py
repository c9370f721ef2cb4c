"""Calls about subscribers.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.subscribers import ConnectionEvent, NewSubscriber, Subscriber


class Subscribers:
    """Subscribers of a stream, who show time-based codes or may be blocked."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_subscribers(self, app: str, stream: str, offset: int, size: int) -> list[Subscriber]:
        """The subscribers of a stream by their id, without their secrets.

        ``GET /{app}/rest/v2/broadcasts/{stream}/subscribers/list/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        """
        return self._ask(
            list[Subscriber],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers/list/{part(offset)}/{part(size)}",
        )

    def add_subscriber(self, app: str, stream: str, body: NewSubscriber | None = None) -> Result:
        """Registers a subscriber, or changes one. What is wrong is answered 200 and `success: false`.

        ``POST /{app}/rest/v2/broadcasts/{stream}/subscribers``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers", body=body)

    def delete_subscribers(self, app: str, stream: str) -> Result:
        """Forgets all subscribers of a stream.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}/subscribers``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers")

    def delete_subscriber(self, app: str, stream: str, subscriber: str) -> Result:
        """Forgets a subscriber. Its sessions go on.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}/subscribers/{subscriber}``

        `app`: The app.
        `stream`: The stream's id.
        `subscriber`: The subscriber's id.
        """
        return self._ask(
            Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers/{part(subscriber)}"
        )

    def get_subscriber_code(self, app: str, stream: str, subscriber: str, *, type: str | None = None) -> Result:
        """The subscriber's code of this moment, in dataId.

        ``GET /{app}/rest/v2/broadcasts/{stream}/subscribers/{subscriber}/totp``

        `app`: The app.
        `stream`: The stream's id.
        `subscriber`: The subscriber's id.
        `type`: What it is for: publish or play.
        """
        query: Query = {"type": type}
        return self._ask(
            Result,
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers/{part(subscriber)}/totp",
            query=query,
        )

    def block_subscriber(self, app: str, stream: str, subscriber: str, seconds: int, kind: str) -> Result:
        """Blocks a subscriber for so many seconds and ends its sessions at once; 0 ends the block.

        ``PUT /{app}/rest/v2/broadcasts/{stream}/subscribers/{subscriber}/block/{seconds}/{kind}``

        `app`: The app.
        `stream`: The stream's id.
        `subscriber`: The subscriber's id.
        `seconds`: How long, in seconds; 0 ends the block.
        `kind`: From what: publish, play or publish_play.
        """
        return self._ask(
            Result,
            "PUT",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/subscribers/{part(subscriber)}/block/{part(seconds)}/{part(kind)}",
        )

    def list_connection_events(
        self, app: str, stream: str, offset: int, size: int, *, subscriber_id: str | None = None
    ) -> list[ConnectionEvent]:
        """When subscribers connected and disconnected, where ``writeSubscriberEventsToDatastore`` is set.

        ``GET /{app}/rest/v2/broadcasts/{stream}/connection-events/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        `subscriber_id`: Of this subscriber alone.
        """
        query: Query = {"subscriberId": subscriber_id}
        return self._ask(
            list[ConnectionEvent],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/connection-events/{part(offset)}/{part(size)}",
            query=query,
        )
