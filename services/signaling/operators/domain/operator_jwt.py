"""Tokens of operators: JWT, HS256 with a shared secret, or RS256 and ES256 with a public key (RFC 7519, RFC 8725)."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeGuard

import jwt

from rillcast.contracts.words import Role

MAX_TOKEN = 8_192
SHORTEST_SECRET = 32
"""In bytes: as long as the hash (RFC 7518, section 3.2)."""
LEEWAY_S = 5.0
LATEST_S = 1e18
"""No time that anybody means lies beyond; neither Infinity nor NaN, which some writers of JSON make, is before it."""
ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""The only algorithm that each type of public key is used with."""


def unverified_key_id(token: str) -> str | None:
    """Which key the token says it is signed with; empty where it says none. None when this is no token."""
    try:
        if len(token) > MAX_TOKEN:
            return None
        named = jwt.get_unverified_header(token).get("kid", "")
    except (jwt.InvalidTokenError, ValueError):
        return None
    return named if isinstance(named, str) else None


class Misuse(StrEnum):
    """Why a token that is signed with the right key makes no operator."""

    STREAM_TOKEN = "stream_token"
    """It lets a client publish or play."""
    OTHER_APP = "other_app"
    """It names an app, which is not this one."""
    NO_AUDIENCE = "no_audience"
    """The app takes the keys of an identity provider, and does not say for whom the token must be."""


def misuse(claims: dict[str, object], app: str, *, own: bool) -> Misuse | None:
    """Whether a token is for something else than REST, by its claims. `app`: where it is shown; empty = for the whole
    server. `own`: it is signed with a secret of ours, so that ``app`` means what it does in our tokens."""
    if "streamId" in claims or "roomId" in claims or str(claims.get("type")).lower() in tuple(Role):
        return Misuse.STREAM_TOKEN
    if own and claims.get("app", app) != app:
        return Misuse.OTHER_APP
    return None


def holds(
    token: str,
    key: str | jwt.PyJWK,
    *,
    now_s: float,
    audience: str = "",
    without_end: bool = False,
) -> bool:
    """Whether `verified` finds claims."""
    return verified(token, key, now_s=now_s, audience=audience, without_end=without_end) is not None


def verified(
    token: str,
    key: str | jwt.PyJWK,
    *,
    now_s: float,
    audience: str = "",
    without_end: bool = False,
) -> dict[str, object] | None:
    """The claims of a token that is signed with `key` and holds at `now_s` (Unix time); None for any other. A secret is
    text: then the algorithm is HS256 and nothing else; that of a public key follows from its type. A token without
    ``exp`` holds only with `without_end`. With an `audience`, ``aud`` must name it."""
    algorithm = "HS256" if isinstance(key, str) else ALGORITHMS.get(key.key_type or "")
    if algorithm is None or len(token) > MAX_TOKEN:
        return None
    if isinstance(key, str) and len(key.encode()) < SHORTEST_SECRET:
        return None
    options: jwt.types.Options = {
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_aud": bool(audience),
        "require": [*(["aud"] if audience else []), *([] if without_end else ["exp"])],
    }
    try:
        claims = jwt.decode(
            token,
            key if isinstance(key, str) else key.key,
            algorithms=[algorithm],
            options=options,
            audience=audience or None,
        )
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError, TypeError):
        return None
    return dict(claims) if _in_time(claims, now_s) else None


def _in_time(claims: dict[str, object], now_s: float) -> bool:
    end, begin = claims.get("exp"), claims.get("nbf")
    if not _is_time(end) or not _is_time(begin):
        return False
    return (end is None or end > now_s - LEEWAY_S) and (begin is None or begin <= now_s + LEEWAY_S)


def _is_time(value: object) -> TypeGuard[float | None]:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and -LATEST_S <= value <= LATEST_S
