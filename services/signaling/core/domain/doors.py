"""What an app asks of those who publish or play: its locks, and the doors that have none."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role

MIN_SECRET_BYTES = 32
"""RFC 7518 §3.2 asks as much of a key of HS256, and whoever sees a hash or a code may try shorter ones out at home."""


class Lock(StrEnum):
    """One thing that an app may ask for."""

    JWT = "jwt"
    HASH = "hash"
    TOKEN = "one-time token"
    TOTP = "time-based code"
    WEBHOOK = "webhook"


_SWITCHES: dict[Role, tuple[tuple[str, Lock], ...]] = {
    Role.PUBLISH: (
        ("publish_jwt_control_enabled", Lock.JWT),
        ("publish_token_secret", Lock.JWT),
        ("hash_control_publish_enabled", Lock.HASH),
        ("publish_token_control_enabled", Lock.TOKEN),
        ("enable_time_token_for_publish", Lock.TOTP),
        ("webhook_authenticate_url", Lock.WEBHOOK),
    ),
    Role.PLAY: (
        ("play_jwt_control_enabled", Lock.JWT),
        ("play_token_secret", Lock.JWT),
        ("hash_control_play_enabled", Lock.HASH),
        ("play_token_control_enabled", Lock.TOKEN),
        ("enable_time_token_for_play", Lock.TOTP),
        ("webhook_play_auth_url", Lock.WEBHOOK),
    ),
}
_IN_THE_TOKEN = frozenset({Lock.JWT, Lock.HASH, Lock.TOKEN})
"""Locks whose key is shown in the one field ``token``, so that nobody could open two of them."""


def lock_switches() -> frozenset[str]:
    """The settings that ask for a lock."""
    return frozenset(switch for switches in _SWITCHES.values() for switch, _ in switches)


def locks(settings: AppSettings, role: Role) -> list[Lock]:
    """What the app asks of those who publish, or play. Empty = the door is open to everybody. Asked for each join."""
    return [lock for switch, lock in _SWITCHES[role] if getattr(settings, switch)]


def open_doors(settings: AppSettings) -> tuple[Role, ...]:
    """What everybody may do in this app, whoever it is. A limit or a time window is no lock, and neither is a list of
    stream ids, which anybody may guess."""
    return tuple(role for role in Role if not locks(settings, role))


def jwt_secret(settings: AppSettings, role: Role) -> str:
    """The secret of tokens for publishing, or for playing: that of the role if there is one, else the app's."""
    own = settings.publish_token_secret if role is Role.PUBLISH else settings.play_token_secret
    return own or settings.jwt_stream_secret_key


def time_token_secret(settings: AppSettings, role: Role) -> str:
    """The secret from which the codes of subscribers are made that are not registered; empty = only registered ones
    have codes."""
    secret = settings.time_token_secret_for_publish if role is Role.PUBLISH else settings.time_token_secret_for_play
    return secret or ""


def lock_faults(settings: AppSettings) -> tuple[str, ...]:
    """A sentence for each lock that no key could open, with the names of the settings. Such a door is shut to all."""
    return tuple(fault for role in Role for fault in _faults(settings, role))


def _faults(settings: AppSettings, role: Role) -> Iterator[str]:
    there = set(locks(settings, role))
    if Lock.JWT in there and too_short(jwt_secret(settings, role)):
        yield f"{role.value}: a JWT is asked for, and its secret ({_secret_name(settings, role)}) {_LACKS}"
    if Lock.HASH in there and too_short(settings.token_hash_secret):
        yield f"{role.value}: a hash is asked for, and its secret (tokenHashSecret) {_LACKS}"
    if Lock.TOTP in there and (secret := time_token_secret(settings, role)) and too_short(secret):
        yield f"{role.value}: the secret of time-based codes (timeTokenSecretFor{role.value.title()}) {_LACKS}"
    if len(there & _IN_THE_TOKEN) > 1:
        yield f"{role.value}: {' and '.join(sorted(there & _IN_THE_TOKEN))} are asked for at once in the one token"


def _secret_name(settings: AppSettings, role: Role) -> str:
    own = settings.publish_token_secret if role is Role.PUBLISH else settings.play_token_secret
    return f"{role.value}TokenSecret" if own else "jwtStreamSecretKey"


def too_short(secret: str | None) -> bool:
    """Whether a secret is none, or one that can be guessed."""
    return len((secret or "").encode("utf-8", "surrogatepass")) < MIN_SECRET_BYTES


_LACKS = f"has fewer than {MIN_SECRET_BYTES} bytes"
