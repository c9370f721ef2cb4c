"""Push notifications, which are not sent."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.usecases.push_notifications import (
    NO_OBJECT,
    NO_OBJECT_IN_BODY,
    PostedPush,
    PushNotifications,
)

ROOT = "/{app}/rest/v2/push-notification"

TABLE = Table(
    tag="push notifications",
    about="Notifications for phones. None is ever sent, and the answers say so.",
    resource=PushNotifications,
    input="push_notification",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/subscriber-auth-token",
            APP_OPERATOR,
            PushNotifications.token,
            "Gives no token, since no phone can register with one.",
            name="create_push_token",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/subscribers",
            APP_OPERATOR,
            PushNotifications.to_subscribers,
            "Sends nothing to subscribers.",
            name="send_push_to_subscribers",
            answer=Result,
            body=PostedPush,
            errors=(Refusal(200, NO_OBJECT_IN_BODY),),
            example={"body": {"subscribers": ["viewer-7"], "jsonMessage": '{"title": "We are live"}'}},
        ),
        Endpoint(
            "POST",
            f"{ROOT}/topics/{{topic}}",
            APP_OPERATOR,
            PushNotifications.to_topic,
            "Sends nothing to a topic. The body is the notification, a JSON object.",
            name="send_push_to_topic",
            answer=Result,
            body=str,
            errors=(Refusal(200, NO_OBJECT),),
            example={"body": {"title": "We are live"}},
        ),
    ),
)
