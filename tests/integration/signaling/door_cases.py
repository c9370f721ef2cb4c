"""What somebody may show at a door, by the kind of key that an app asks for, and who is let in by it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.totp import code_at, derived_key, key_of
from tests.integration.signaling.door_visits import LATER, LET_IN, Shown, Visit, ask_by_http

SECRET = "a secret of at least thirty-two bytes"
OTHER_SECRET = "f" * 32
BASE32 = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PERIOD_S = 60
LONG_AGO = 1_000_000_000
Makes = Callable[[Visit], Awaitable[Shown]]
EVERYBODY = frozenset(Role)
NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class Case:
    """What somebody shows."""

    shows: str
    make: Makes
    lets_in: frozenset[Role] = NOBODY
    """Who is let in: publishers, viewers."""


@dataclass(frozen=True)
class Kind:
    """One kind of key, and the settings of an app that asks for it."""

    name: str
    settings: Mapping[str, Any]
    cases: Sequence[Case]
    needs_hook: tuple[str, ...] = field(default=())
    """Settings that take the address of the webhook."""


def other(role: Role) -> Role:
    return Role.PLAY if role is Role.PUBLISH else Role.PUBLISH


async def nothing(visit: Visit) -> Shown:
    return {}


async def nonsense(visit: Visit) -> Shown:
    return {"token": "nonsense"}


def one_time(kind: str, of: Callable[[Visit], tuple[str, Role]], expires: int = LATER) -> Makes:
    async def make(visit: Visit) -> Shown:
        return await visit.issued(kind, *of(visit), expires)

    return make


def meant(visit: Visit) -> tuple[str, Role]:
    return visit.stream, visit.role


def of_another_stream(visit: Visit) -> tuple[str, Role]:
    return visit.other, visit.role


def of_the_other_role(visit: Visit) -> tuple[str, Role]:
    return visit.stream, other(visit.role)


async def used_token(visit: Visit) -> Shown:
    """Whose session lives."""
    shown = await visit.issued("token", *meant(visit))
    assert (await ask_by_http(visit, shown)).told == LET_IN
    return shown


async def revoked_token(visit: Visit) -> Shown:
    shown = await visit.issued("token", *meant(visit))
    await visit.rest("DELETE", f"{visit.stream}/tokens")
    return shown


def signed(secret: str, expires: int = LATER) -> Makes:
    async def make(visit: Visit) -> Shown:
        claims = {"streamId": visit.stream, "type": visit.role.value, "exp": expires}
        return {"token": jwt.encode(claims, secret, algorithm="HS256")}

    return make


def hashed(secret: str, of: Callable[[Visit], tuple[str, Role]]) -> Makes:
    async def make(visit: Visit) -> Shown:
        stream, role = of(visit)
        return {"token": hashlib.sha256(f"{stream}{role.value}{secret}".encode()).hexdigest()}

    return make


def coded(of: Callable[[Visit], tuple[str, Role]], ago_s: float = 0) -> Makes:
    async def make(visit: Visit) -> Shown:
        stream, role = of(visit)
        key = derived_key(SECRET, visit.who, StreamId(stream), role)
        return {"subscriberId": visit.who, "subscriberCode": code_at(key, time.time() - ago_s, PERIOD_S)}

    return make


async def wrong_code(visit: Visit) -> Shown:
    return {"subscriberId": visit.who, "subscriberCode": "000000"}


async def wrong_codes(visit: Visit) -> Shown:
    """As many as are looked at, and then the right one."""
    for _ in range(10):
        await ask_by_http(visit, await wrong_code(visit))
    return await coded(meant)(visit)


async def rest_code(visit: Visit) -> Shown:
    made = await visit.rest("GET", f"{visit.stream}/subscribers/{visit.who}/totp?type={visit.role.value}")
    return {"subscriberId": visit.who, "subscriberCode": made["dataId"]}


def registered(kind: str | None) -> Makes:
    async def make(visit: Visit) -> Shown:
        body = {"subscriberId": visit.who, "b32Secret": BASE32, "type": kind}
        assert (await visit.rest("POST", f"{visit.stream}/subscribers", json=body))["success"]
        key = key_of(BASE32)
        assert key is not None
        return {"subscriberId": visit.who, "subscriberCode": code_at(key, time.time(), PERIOD_S)}

    return make


def blocked(seconds: int, kind: str) -> Makes:
    async def make(visit: Visit) -> Shown:
        await visit.rest("PUT", f"{visit.stream}/subscribers/{visit.who}/block/{seconds}/{kind}")
        return {"subscriberId": visit.who}

    return make


async def unblocked(visit: Visit) -> Shown:
    await blocked(600, "publish_play")(visit)
    return await blocked(0, "publish_play")(visit)


async def somebody(visit: Visit) -> Shown:
    return {"subscriberId": visit.who}


def created(**fields: Any) -> Makes:
    """Shows nothing, of a stream that was created before with these keys."""

    async def make(visit: Visit) -> Shown:
        if visit.role is Role.PUBLISH:
            await visit.rest("POST", "create", json={"streamId": visit.stream, **fields})
        else:
            await visit.rest("PUT", visit.stream, json=fields)
        return {}

    return make


def answered(*statuses: int) -> Makes:
    async def make(visit: Visit) -> Shown:
        visit.hook.statuses = list(statuses)
        return {"token": "anything", "subscriberId": visit.who}

    return make


_TOKENS = {"publishTokenControlEnabled": True, "playTokenControlEnabled": True}
_JWT = {"publishJwtControlEnabled": True, "playJwtControlEnabled": True, "jwtStreamSecretKey": SECRET}
_HASH = {"hashControlPublishEnabled": True, "hashControlPlayEnabled": True, "tokenHashSecret": SECRET}
_CODES = {
    "enableTimeTokenForPublish": True,
    "enableTimeTokenForPlay": True,
    "timeTokenSecretForPublish": SECRET,
    "timeTokenSecretForPlay": SECRET,
}
_PLAY_ONLY = frozenset({Role.PLAY})
KINDS = (
    Kind(
        "nothing is asked for",
        {},
        (Case("nothing", nothing, EVERYBODY), Case("a token that nobody made", nonsense, EVERYBODY)),
    ),
    Kind(
        "one-time token",
        _TOKENS,
        (
            Case("nothing", nothing),
            Case("a token that nobody made", nonsense),
            Case("a token", one_time("token", meant), EVERYBODY),
            Case("a token that is used, by another client", used_token),
            Case("a token of another stream", one_time("token", of_another_stream)),
            Case("a token for the other role", one_time("token", of_the_other_role)),
            Case("a token that has expired", one_time("token", meant, LONG_AGO)),
            Case("a token that was revoked", revoked_token),
        ),
    ),
    Kind(
        "JWT",
        _JWT,
        (
            Case("nothing", nothing),
            Case("no JWT", nonsense),
            Case("a JWT from REST", one_time("jwt-token", meant), EVERYBODY),
            Case("a JWT of one's own with the secret", signed(SECRET), EVERYBODY),
            Case("a JWT with another secret", signed(OTHER_SECRET)),
            Case("a JWT that has expired", signed(SECRET, LONG_AGO)),
            Case("a JWT of another stream", one_time("jwt-token", of_another_stream)),
            Case("a JWT for the other role", one_time("jwt-token", of_the_other_role)),
        ),
    ),
    Kind(
        "hash",
        _HASH,
        (
            Case("nothing", nothing),
            Case("the hash", hashed(SECRET, meant), EVERYBODY),
            Case("the hash with another secret", hashed(OTHER_SECRET, meant)),
            Case("the hash of another stream", hashed(SECRET, of_another_stream)),
            Case("the hash for the other role", hashed(SECRET, of_the_other_role)),
        ),
    ),
    Kind(
        "time-based code (TOTP)",
        _CODES,
        (
            Case("nothing", nothing),
            Case("the code of the app's secret", coded(meant), EVERYBODY),
            Case("the code that REST gives", rest_code, EVERYBODY),
            Case("a wrong code", wrong_code),
            Case("the code of ten periods ago", coded(meant, 10 * PERIOD_S)),
            Case("the code of another stream", coded(of_another_stream)),
            Case("the code for the other role", coded(of_the_other_role)),
            Case("the code, after ten wrong ones", wrong_codes),
            Case("a registered subscriber's own code", registered(None), EVERYBODY),
            Case("the same, of one who may only play", registered("play"), _PLAY_ONLY),
        ),
    ),
    Kind(
        "blocked subscriber",
        {},
        (
            Case("a subscriber", somebody, EVERYBODY),
            Case("one who is blocked", blocked(600, "publish_play")),
            Case("one who is blocked from publishing", blocked(600, "publish"), _PLAY_ONLY),
            Case("one whose block was ended", unblocked, EVERYBODY),
        ),
    ),
    Kind(
        "only streams that were created (acceptOnlyStreamsInDataStore)",
        {"acceptOnlyStreamsInDataStore": True},
        (Case("nothing, of any stream", nothing, _PLAY_ONLY), Case("nothing, of one that was", created(), EVERYBODY)),
    ),
    Kind(
        "time of a broadcast",
        {},
        (
            Case("nothing, before plannedStartDate", created(plannedStartDate=LATER), _PLAY_ONLY),
            Case("nothing, after plannedEndDate", created(plannedEndDate=LONG_AGO), _PLAY_ONLY),
            Case("nothing, within both", created(plannedStartDate=LONG_AGO, plannedEndDate=LATER), EVERYBODY),
            Case("nothing, after expireDurationMS", created(date=LONG_AGO, expireDurationMS=1), _PLAY_ONLY),
        ),
    ),
    Kind(
        "webhook (webhookAuthenticateURL, webhookPlayAuthUrl)",
        {},
        (
            Case("whatever it answers 200", answered(200), EVERYBODY),
            Case("whatever it answers 401", answered(401)),
            Case("whatever it answers 500", answered(500)),
            Case("whatever it answers 302", answered(302)),
            Case("whatever it answers 204", answered(204)),
        ),
        needs_hook=("webhookAuthenticateURL", "webhookPlayAuthUrl"),
    ),
)
