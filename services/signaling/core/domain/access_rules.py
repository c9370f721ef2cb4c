"""Which settings of access are possible. Asked where an operator gives them; what the store holds nevertheless shuts
the door that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.doors import lock_faults
from services.signaling.core.domain.webhook_question import webhook_url

_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(AppSettings))
_NOTHING: tuple[object, ...] = (False, "", None, 0)
_ACCESS = (
    "publish_token_control_enabled",
    "play_token_control_enabled",
    "publish_jwt_control_enabled",
    "play_jwt_control_enabled",
    "jwt_stream_secret_key",
    "publish_token_secret",
    "play_token_secret",
    "token_max_life_s",
    "hash_control_publish_enabled",
    "hash_control_play_enabled",
    "token_hash_secret",
    "enable_time_token_for_publish",
    "enable_time_token_for_play",
    "time_token_secret_for_publish",
    "time_token_secret_for_play",
    "webhook_authenticate_url",
    "webhook_play_auth_url",
    "accept_only_streams_in_data_store",
    "jwt_control_enabled",
    "jwt_secret_key",
    "jwks_url",
    "ip_filter_enabled",
    "remote_allowed_cidr",
    "turn_secret",
)
_UNSERVED: Mapping[str, tuple[object, ...]] = {
    "acceptOnlyRoomsInDataStore": _NOTHING,
    "allowedPublisherCIDR": _NOTHING,
    "hlsEncryptionKeyInfoFile": _NOTHING,
    "secureAnalyticEndpoint": _NOTHING,
}
"""Ant Media's settings that protect something and that nothing here obeys, with the values that ask for nothing."""
_PROTECTS_NOTHING_HERE = frozenset({"subscriberAuthenticationKey", "s3SecretKey", "s3AccessKey"})
"""Ant Media's keys for what is not here at all."""
_SOUNDS = re.compile(
    r"token|jwt|hash|secret|auth|cidr|security|acceptonly|block|password|allowed|protect", re.IGNORECASE
)
"""What a key of security would be called, also when it is misspelled."""


class AccessRefused(ValueError):
    """Settings of access that cannot be obeyed. The message names the setting."""


def check_access(settings: AppSettings) -> None:
    """Raises `AccessRefused` for a lock that no key could open, and for a webhook that cannot be asked."""
    for fault in (*lock_faults(settings), *_bad_webhooks(settings)):
        raise AccessRefused(fault)


def check_obeyed(posted: Mapping[str, msgspec.Raw]) -> None:
    """Raises `AccessRefused` for a setting that would protect something and is not obeyed here."""
    for key, value in posted.items():
        if key in _KNOWN or key in _PROTECTS_NOTHING_HERE:
            continue
        if not (key in _UNSERVED or _SOUNDS.search(key)):
            continue
        if _plain(value) not in _UNSERVED.get(key, _NOTHING):
            raise AccessRefused(f"{key[:80]}: there is no such setting here, so it would protect nothing")


def given_access(settings: AppSettings) -> dict[str, object]:
    """Of the settings with which an instance was started, those that protect the app: what is as it is by default was
    not given."""
    default = AppSettings(app_name=settings.app_name)
    return {name: value for name in _ACCESS if (value := getattr(settings, name)) != getattr(default, name)}


def _bad_webhooks(settings: AppSettings) -> Iterable[str]:
    for role, name in ((Role.PUBLISH, "webhookAuthenticateURL"), (Role.PLAY, "webhookPlayAuthUrl")):
        url = webhook_url(settings, role)
        if url and not _is_http(url):
            yield f"{name}: that is no address that begins with http:// or https:// and names a host"


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _plain(value: msgspec.Raw) -> object:
    try:
        plain: object = msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return value
    return plain if isinstance(plain, str | bool | int | None) else value
