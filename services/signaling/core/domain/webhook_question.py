"""What an app's webhook is asked about somebody who wants to publish or play: Ant Media's bodies, key by key."""

from __future__ import annotations

import msgspec

from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Applicant


def webhook_url(settings: AppSettings, role: Role) -> str:
    """Whom the app asks; empty = nobody."""
    return settings.webhook_authenticate_url if role is Role.PUBLISH else settings.webhook_play_auth_url


def webhook_question(applicant: Applicant) -> bytes:
    """The body, as JSON. Keys without a value are left out."""
    asked = _about_publisher(applicant) if applicant.role is Role.PUBLISH else _about_viewer(applicant)
    return msgspec.json.encode({key: value for key, value in asked.items() if value})


def _about_publisher(applicant: Applicant) -> dict[str, object]:
    shown = applicant.credentials
    return {
        "appName": applicant.app,
        "name": applicant.stream,
        "streamId": applicant.stream,
        "mode": "live",
        "queryParams": applicant.query,
        "metaData": applicant.meta_data,
        "token": shown.token,
        "subscriberId": shown.subscriber_id,
        "subscriberCode": shown.subscriber_code,
    }


def _about_viewer(applicant: Applicant) -> dict[str, object]:
    shown = applicant.credentials
    return {
        "streamId": applicant.stream,
        "mode": "play",
        "appName": applicant.app,
        "origin": applicant.client.origin,
        "token": shown.token,
        "subscriberCode": shown.subscriber_code,
        "subscriberId": shown.subscriber_id,
        "metaData": _as_object(applicant.meta_data),
        "ipAddress": applicant.client.address,
    }


def java_map(parameters: list[tuple[str, str]]) -> str:
    """Parameters of a query as Ant Media writes them: the text of a map in Java. Empty for none."""
    return "{" + ", ".join(f"{name}={value}" for name, value in parameters) + "}" if parameters else ""


def _as_object(text: str) -> object:
    """What the page attached, as the object that it was; the text itself when it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return text
    return value if isinstance(value, dict) else text
