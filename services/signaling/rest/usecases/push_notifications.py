"""Push notifications. Nothing is sent to phones here, and each request to do so is refused in words."""

from __future__ import annotations

from typing import Any

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from services.signaling.core.domain.result import NotServed, Result
from services.signaling.rest.domain.parameters import App, PushedTo, PushService, TokenLife, Topic
from services.signaling.rest.domain.refusal import NotTaken

NO_SUBSCRIBER = "subscriberId is blank. Please give subscriberId as query parameter"
NO_TOKEN = "Push notifications aren't there: no token is given, since nothing could be registered with it"
NO_PUSH = "Push notifications aren't there: nothing was sent"
NO_OBJECT = "JSON content cannot be parsed"
NO_OBJECT_IN_BODY = f"{NO_OBJECT}. Make sure JSON content is in correct format"


class PostedPush(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A notification for some subscribers."""

    subscribers: list[str] | None = None
    json_message: str | None = None
    """The notification itself: the text of a JSON object."""


class PushNotifications:
    """One per signaling instance."""

    async def token(self, app: App, subscriber: PushedTo = "", life: TokenLife = 0) -> Result:
        """Refused in words: no service of push notifications takes such tokens here."""
        if not subscriber.strip():
            return Result(success=False, message=NO_SUBSCRIBER)
        return NotServed(success=False, message=NO_TOKEN)

    async def to_subscribers(self, app: App, body: PostedPush, service: PushService = "") -> Result:
        """Never sent. Raises `NotTaken` for a message that is no JSON object."""
        _check(body.json_message or "", NO_OBJECT_IN_BODY)
        return NotServed(success=False, message=NO_PUSH)

    async def to_topic(self, app: App, topic: Topic, body: str, service: PushService = "") -> Result:
        """Never sent. Raises `NotTaken` for a body that is no JSON object."""
        _check(body, NO_OBJECT)
        return NotServed(success=False, message=NO_PUSH)


def _check(message: str, words: str) -> None:
    try:
        decode_json(message.encode("utf-8", "surrogatepass"), dict[str, Any])
    except Undecodable as error:
        raise NotTaken(words) from error
