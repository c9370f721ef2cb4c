"""Stream tokens: JWT, HS256, signed with the app's secret for publishing or playing."""

from __future__ import annotations

import jwt

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId

LEEWAY_S = 5.0
MAX_TOKEN = 8_192


def check_stream_token(token: str, secret: str, stream: StreamId, kind: str, now_s: float) -> None:
    """Refuse with UNAUTHORIZED unless `token` allows `kind` (``publish`` or ``play``) of `stream`. `now_s`: Unix time.

    Ant Media's tokens name the stream in ``streamId``, ours in ``sub``; either is taken.
    """
    if not token:
        raise RillcastError(ErrorCode.UNAUTHORIZED, f"a token is needed to {kind} in this app")
    claims = _verified(token, secret)
    named = claims.get("sub", claims.get("streamId"))
    if named != stream:
        raise RillcastError(ErrorCode.UNAUTHORIZED, "the token is for another stream")
    if claims.get("type") != kind:
        raise RillcastError(ErrorCode.UNAUTHORIZED, f"the token does not allow to {kind}")
    if _time(claims, "exp", float("inf")) <= now_s - LEEWAY_S:
        raise RillcastError(ErrorCode.UNAUTHORIZED, "the token has expired")
    if _time(claims, "nbf", 0.0) > now_s + LEEWAY_S:
        raise RillcastError(ErrorCode.UNAUTHORIZED, "the token is not valid yet")


def _verified(token: str, secret: str) -> dict[str, object]:
    options: jwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        if len(token) > MAX_TOKEN:
            raise jwt.InvalidTokenError
        return dict(jwt.decode(token, secret, algorithms=["HS256"], options=options))
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError) as error:
        raise RillcastError(ErrorCode.UNAUTHORIZED, "the token is not valid here") from error


def _time(claims: dict[str, object], name: str, absent: float) -> float:
    value = claims.get(name, absent)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RillcastError(ErrorCode.UNAUTHORIZED, f"the token's {name} is not a time")
    return float(value)
