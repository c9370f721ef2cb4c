"""Calls about push notifications.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Any

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.push_notifications import PostedPush


class PushNotifications:
    """Notifications for phones. None is ever sent, and the answers say so."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def create_push_token(
        self, app: str, *, subscriber_id: str | None = None, timeout_seconds: int | None = None
    ) -> Result:
        """Gives no token, since no phone can register with one.

        ``GET /{app}/rest/v2/push-notification/subscriber-auth-token``

        `app`: The app.
        `subscriber_id`: Whose token it is.
        `timeout_seconds`: How long the token is good, in seconds.
        """
        query: Query = {"subscriberId": subscriber_id, "timeoutSeconds": timeout_seconds}
        return self._ask(Result, "GET", f"/{part(app)}/rest/v2/push-notification/subscriber-auth-token", query=query)

    def send_push_to_subscribers(self, app: str, body: PostedPush, *, service_name: str | None = None) -> Result:
        """Sends nothing to subscribers.

        ``POST /{app}/rest/v2/push-notification/subscribers``

        `app`: The app.
        `service_name`: Which service brings it to phones: fcm or apn.
        """
        query: Query = {"serviceName": service_name}
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/push-notification/subscribers", query=query, body=body)

    def send_push_to_topic(
        self, app: str, topic: str, body: dict[str, Any], *, service_name: str | None = None
    ) -> Result:
        """Sends nothing to a topic. The body is the notification, a JSON object.

        ``POST /{app}/rest/v2/push-notification/topics/{topic}``

        `app`: The app.
        `topic`: What phones have subscribed to.
        `service_name`: Which service brings it to phones: fcm or apn.
        """
        query: Query = {"serviceName": service_name}
        return self._ask(
            Result, "POST", f"/{part(app)}/rest/v2/push-notification/topics/{part(topic)}", query=query, body=body
        )
