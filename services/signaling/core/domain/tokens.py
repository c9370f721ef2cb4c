"""Stream tokens that can be checked without asking anybody: JWTs (HS256) and hashes, made with a secret of the app."""

from __future__ import annotations

import hashlib
import hmac

import jwt
import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity

LEEWAY_S = 5.0
"""How far the clocks of those who make tokens may be off."""
MAX_TOKEN = 8_192
LATEST_S = 1e18
"""No time that anybody means lies beyond; neither Infinity nor NaN, which some writers of JSON make, is before it."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is to allow."""

    app: AppName
    stream: StreamId
    role: Role
    room: str = ""
    """The room, i.e. the main track, to which a publisher says that it belongs."""


def check_jwt(token: str, secret: str, wish: Wish, *, now_s: float, max_life_s: int = 0) -> VerifiedIdentity:
    """Refuses with UNAUTHORIZED unless `token` allows what is wished. `now_s`: Unix time. `max_life_s`: see
    ``tokenMaxLifeS``.

    Ant Media's tokens name the stream in ``streamId``, ours in ``sub``; either is taken. A token that names an app is
    good in that one alone.
    """
    if not token:
        raise _no(f"a token is needed to {wish.role.value} in this app")
    claims = _verified(token, secret)
    if claims.get("app", wish.app) != wish.app:
        raise _no("the token is for another app")
    identity = _for_room(token, claims, wish) or _for_stream(claims, wish)
    _check_times(claims, now_s, max_life_s)
    return identity


def check_hash(token: str, secret: str, wish: Wish) -> VerifiedIdentity:
    """Refuses with UNAUTHORIZED unless `token` is `stream_hash`."""
    if not token:
        raise _no(f"a token is needed to {wish.role.value} in this app")
    shown = token.strip().lower().encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(shown, stream_hash(wish.stream, wish.role, secret).encode()):
        raise _no("the token is not valid here")
    return VerifiedIdentity(Proof.HASH, wish.stream)


def stream_hash(stream: StreamId, role: Role, secret: str) -> str:
    """Ant Media's hash of a stream: SHA-256 over id, role and secret, in hex."""
    return hashlib.sha256(f"{stream}{role.value}{secret}".encode()).hexdigest()


def digest(*texts: str) -> str:
    """A digest of what may be no part of an identity in the clear."""
    told = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        told.update(len(data).to_bytes(4, "big") + data)
    return told.hexdigest()


def _for_stream(claims: dict[str, object], wish: Wish) -> VerifiedIdentity:
    if claims.get("sub", claims.get("streamId")) != wish.stream:
        raise _no("the token is for another stream")
    if claims.get("type") != wish.role.value:
        raise _no(f"the token does not allow to {wish.role.value}")
    return VerifiedIdentity(Proof.JWT, wish.stream)


def _for_room(token: str, claims: dict[str, object], wish: Wish) -> VerifiedIdentity | None:
    """A token for a room lets publish any stream of it, and play the room. Those who have one are many, so who shows
    another token is another one."""
    room = claims.get("roomId")
    if not isinstance(room, str) or not room:
        return None
    publishes = wish.role is Role.PUBLISH and claims.get("type") == Role.PUBLISH.value and wish.room == room
    plays = wish.role is Role.PLAY and claims.get("type") in tuple(Role) and wish.stream == room
    return VerifiedIdentity(Proof.JWT, f"{room} {digest(token)}") if publishes or plays else None


def _check_times(claims: dict[str, object], now_s: float, max_life_s: int) -> None:
    expires_s = _time(claims, "exp", float("inf"))
    if expires_s <= now_s - LEEWAY_S:
        raise _no("the token has expired")
    if _time(claims, "nbf", 0.0) > now_s + LEEWAY_S:
        raise _no("the token is not valid yet")
    if max_life_s and expires_s > now_s + max_life_s + LEEWAY_S:
        raise _no(f"the token is valid for longer than the {max_life_s} s that this app allows")


def _verified(token: str, secret: str) -> dict[str, object]:
    options: jwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        if len(token) > MAX_TOKEN:
            raise jwt.InvalidTokenError
        return dict(jwt.decode(token, secret, algorithms=["HS256"], options=options))
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError) as error:
        raise _no("the token is not valid here") from error


def _time(claims: dict[str, object], name: str, absent: float) -> float:
    if name not in claims:
        return absent
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LATEST_S <= value <= LATEST_S:
        raise _no(f"the token's {name} is not a time")
    return float(value)


def _no(why: str) -> RillcastError:
    return RillcastError(ErrorCode.UNAUTHORIZED, why)
