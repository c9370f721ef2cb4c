"""What protects an app: its secrets, which nobody reads back, and what a file sets of it, which nobody overrules."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import get_type_hints

import msgspec

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.doors import MIN_SECRET_BYTES, lock_switches, too_short
from services.signaling.core.domain.region import parse_networks
from services.signaling.core.domain.secret_fields import is_secret

HIDDEN = "********"
"""In place of a secret that is set. Posted back, it leaves the secret as it is."""
_REST = frozenset({"jwt_control_enabled", "jwks_url", "jwt_audience", "ip_filter_enabled", "remote_allowed_cidr"})
_DOORS = frozenset(
    {
        "token_max_life_s",
        "accept_only_streams_in_data_store",
        "time_token_separator",
        "allowed_publisher_cidr",
        "content_security_policy_header_value",
        "secure_analytic_endpoint",
    }
)
_LISTS = {"remote_allowed_cidr": "remoteAllowedCIDR", "allowed_publisher_cidr": "allowedPublisherCIDR"}


SECRETS = frozenset(name for name, kind in get_type_hints(AppSettings, include_extras=True).items() if is_secret(kind))
"""The settings that are secrets."""
_SIGNING = SECRETS - {"turn_server_credential"}
_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(AppSettings)}
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(AppSettings)}


class ProtectionRefused(ValueError):
    """Settings that would protect nothing, or shut everybody out. The message names the setting."""


def hidden(settings: AppSettings) -> AppSettings:
    """The settings as they may be shown."""
    return msgspec.structs.replace(settings, **{name: HIDDEN for name in SECRETS if getattr(settings, name)})


def without_hidden(patch: Patch[AppSettings]) -> Patch[AppSettings]:
    """The patch without the secrets that were only posted back."""
    return patch.without({_NAMES[name]: HIDDEN for name in SECRETS})


def pinned_by(given: AppSettings) -> dict[str, object]:
    """What protects the app of the settings that a file gives: it holds whatever the store has."""
    protecting = SECRETS | lock_switches() | _REST | _DOORS
    return {name: value for name in sorted(protecting) if (value := getattr(given, name)) != _DEFAULTS[name]}


def overruled(settings: AppSettings, pins: dict[str, object]) -> list[str]:
    """The keys, in their wire names, that are not as a file says."""
    return [_NAMES[name] for name, value in pins.items() if getattr(settings, name) != value]


def protection_faults(settings: AppSettings, server_secret: str = "") -> tuple[str, ...]:
    """A sentence for each secret that would give away more than it is for, with the names of the settings.
    `server_secret`: that of the JWT for the whole server."""
    return tuple(_faults(settings, server_secret))


def _faults(settings: AppSettings, server_secret: str) -> Iterator[str]:
    for name in sorted(SECRETS):
        same, secret = partial(_same, settings, getattr(settings, name)), _NAMES[name]
        if name != "jwt_secret_key" and same("jwt_secret_key"):
            yield f"jwtSecretKey: it is also {secret}, and who makes what that is for would make administrators"
        if name not in ("turn_server_credential", "jwt_secret_key") and same("turn_server_credential"):
            yield f"turnServerCredential: clients are told it, and it is also {secret}"
        if server_secret and getattr(settings, name) == server_secret:
            yield f"{secret}: it is also RILLCAST_SIGNALING_JWT_SERVER_SECRET_KEY, which is for the whole server"
    if settings.jwt_control_enabled and settings.jwks_url and not settings.jwt_audience:
        yield "jwksURL: it needs jwtAudience, or every token of that identity provider would make an administrator"


def _same(settings: AppSettings, secret: str | None, other: str) -> bool:
    return bool(secret) and secret == getattr(settings, other)


def check_change(before: AppSettings, after: AppSettings, pins: dict[str, object], *, server_secret: str = "") -> None:
    """Raises `PatchRefused` for what a file has set, and `ProtectionRefused`. A fault that was there `before` does not
    keep anybody from changing something else."""
    if keys := overruled(after, pins):
        raise PatchRefused(f"{', '.join(keys)}: set in RILLCAST_SIGNALING_APPS_FILE; change it there")
    changed = {name for name in _NAMES if getattr(before, name) != getattr(after, name)}
    _check_each(after, changed)
    known = protection_faults(before, server_secret)
    for fault in protection_faults(after, server_secret):
        if fault not in known:
            raise ProtectionRefused(fault)


def check_protection(settings: AppSettings, *, server_secret: str = "") -> None:
    """Of settings that are given whole. Raises `ProtectionRefused`."""
    _check_each(settings, frozenset(_NAMES))
    for fault in protection_faults(settings, server_secret):
        raise ProtectionRefused(fault)


def _check_each(settings: AppSettings, changed: frozenset[str] | set[str]) -> None:
    for name in sorted(_SIGNING & changed):
        if getattr(settings, name) and too_short(getattr(settings, name)):
            raise ProtectionRefused(f"{_NAMES[name]}: a secret has at least {MIN_SECRET_BYTES} bytes")
    if settings.jwt_control_enabled and not (settings.jwt_secret_key or settings.jwks_url):
        raise ProtectionRefused("jwtControlEnabled: it needs jwtSecretKey or jwksURL")
    if settings.jwks_url and not settings.jwks_url.startswith(("https://", "http://")):
        raise ProtectionRefused("jwksURL: it begins with https:// or http://")
    for name, key in _LISTS.items():
        try:
            parse_networks(getattr(settings, name))
        except ValueError as error:
            raise ProtectionRefused(f"{key}: {error}") from error
