"""Which settings of access, and of the ICE server, are possible. Asked where an operator gives them; what the store
holds nevertheless shuts the door that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from rillcast.contracts.ids import is_stream_id
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.app_spelling import is_unknown_ice_key
from services.signaling.core.domain.doors import lock_faults
from services.signaling.core.domain.ice_servers import is_ice_uri
from services.signaling.core.domain.protection import ProtectionRefused
from services.signaling.core.domain.webhook_question import webhook_url

_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(AppSettings))
_NOTHING: tuple[object, ...] = (False, "", None, 0)
CONTENT_TYPES = ("application/json", "application/x-www-form-urlencoded")
"""In which events can be written for webhooks."""
_SOUNDS = re.compile(
    r"token|jwt|hash|secret|auth|cidr|security|acceptonly|block|password|allowed|protect", re.IGNORECASE
)
"""What a key of security would be called, also when it is misspelled."""


class AccessRefused(ProtectionRefused):
    """Settings of access that cannot be obeyed. The message names the setting."""


def check_access(settings: AppSettings, before: AppSettings | None = None) -> None:
    """Raises `AccessRefused` for a lock that no key could open, and for a webhook that cannot be asked. What was so
    `before` does not keep anybody from changing something else."""
    for fault in _faults(settings):
        if before is None or fault not in _faults(before):
            raise AccessRefused(fault)


def unknown_protection(posted: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Of keys that Ant Media does not have: those that would protect something and that nothing here obeys, and those
    of an ICE server that are not there, each with the reason to refuse it."""
    refused: dict[str, str] = {}
    for key, value in posted.items():
        if is_unknown_ice_key(key):
            refused[key] = "there is no such setting; stunServerURI takes a STUN or a TURN server"
        elif key not in _KNOWN and _SOUNDS.search(key) and _plain(value) not in _NOTHING:
            refused[key] = "there is no such setting here, so it would protect nothing"
    return refused


def _faults(settings: AppSettings) -> tuple[str, ...]:
    return (*lock_faults(settings), *_bad_webhooks(settings), *_bad_separator(settings), *_bad_ice_server(settings))


def _bad_separator(settings: AppSettings) -> Iterable[str]:
    if settings.time_token_separator and is_stream_id(settings.time_token_separator * 3):
        yield "timeTokenSeparator: stream ids may have this character, so that it separates nothing; take / for example"


def _bad_ice_server(settings: AppSettings) -> Iterable[str]:
    if settings.stun_server_uri and not is_ice_uri(settings.stun_server_uri):
        yield "stunServerURI: that is no address of a STUN or TURN server, like turn:relay.example:3478?transport=udp"


def _bad_webhooks(settings: AppSettings) -> Iterable[str]:
    urls = {
        "webhookAuthenticateURL": webhook_url(settings, Role.PUBLISH),
        "webhookPlayAuthUrl": webhook_url(settings, Role.PLAY),
        "listenerHookURL": settings.listener_hook_url,
    }
    for name, url in urls.items():
        if url and not is_http(url):
            yield f"{name}: that is no address that begins with http:// or https:// and names a host"
    if settings.webhook_content_type not in CONTENT_TYPES:
        yield f"webhookContentType: one of {', '.join(CONTENT_TYPES)}"


def is_http(url: str) -> bool:
    """Whether a webhook can have this address."""
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
