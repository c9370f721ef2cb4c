"""Each kind of key at each door: by Ant Media's protocol, by WHIP and by WHEP, over real sockets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import pytest

from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role
from rillcast.testing.receiver import Receiver, receiver
from services.signaling.core.domain.totp import code_at, derived_key
from tests.integration.signaling.wire import WireCluster, wire_cluster
from tests.unit.signaling.fake_nodes import OFFER

SECRET = "a secret of at least thirty-two bytes"
SETTINGS = "/rest/v2/applications/settings/live"
LATER = 4_102_444_800
Shown = dict[str, str]
"""What a client shows: token, or subscriberId and subscriberCode."""


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def c() -> AsyncIterator[WireCluster]:
    async with wire_cluster() as made:
        await made.go_live("s1")
        await made.go_live("s2")
        yield made


async def by_socket(c: WireCluster, role: Role, shown: Shown) -> bool:
    """Whether Ant Media's SDK gets in."""
    async with c.client() as client:
        answer = await client.ask(role.value, streamId="new" if role is Role.PUBLISH else "s1", **shown)
    assert answer["command"] in ("start", "takeConfiguration", "error")
    if answer["command"] == "error":
        assert answer["definition"] == "unauthorized_access"
    return bool(answer["command"] != "error")


async def by_http(c: WireCluster, role: Role, shown: Shown) -> bool:
    """Whether a client gets in by WHIP or WHEP, which shows its token as RFC 9725 says."""
    query = dict(shown)
    token = query.pop("token", "")
    headers = {"Content-Type": "application/sdp"} | ({"Authorization": f"Bearer {token}"} if token else {})
    path = "/live/whip/new" if role is Role.PUBLISH else "/live/whep/s1"
    async with c.stranger() as http:
        answer = await http.post(path, content=OFFER, headers=headers, params=query)
    assert answer.status_code in (201, 401, 403)
    return answer.status_code == 201


DOORS: dict[str, tuple[Callable[[WireCluster, Role, Shown], Awaitable[bool]], Role]] = {
    "publish": (by_socket, Role.PUBLISH),
    "whip": (by_http, Role.PUBLISH),
    "play": (by_socket, Role.PLAY),
    "whep": (by_http, Role.PLAY),
}


async def sets(c: WireCluster, **settings: Any) -> None:
    async with c.http() as http:
        answer = (await http.post(SETTINGS, json=settings)).json()
    assert answer["success"], answer


async def by_rest(c: WireCluster, what: str, stream: str, role: Role, expires: int = LATER) -> str:
    async with c.http() as http:
        path = f"/live/rest/v2/broadcasts/{stream}/{what}?expireDate={expires}&type={role.value}"
        token: str = (await http.get(path)).json()["tokenId"]
    return token


def other(role: Role) -> Role:
    return Role.PLAY if role is Role.PUBLISH else Role.PUBLISH


def named(role: Role) -> str:
    return "new" if role is Role.PUBLISH else "s1"


@pytest.fixture(params=sorted(DOORS))
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def lets_in(c: WireCluster, door: str, **shown: str) -> bool:
    goes, role = DOORS[door]
    return await goes(c, role, shown)


async def test_a_jwt(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    await sets(c, publishJwtControlEnabled=True, playJwtControlEnabled=True, jwtStreamSecretKey=SECRET)
    forged = jwt.encode({"streamId": named(role), "type": role.value, "exp": LATER}, "f" * 32, algorithm="HS256")
    expired = jwt.encode({"streamId": named(role), "type": role.value, "exp": 1_000_000_000}, SECRET, algorithm="HS256")
    wrong = [
        "",
        "nonsense",
        forged,
        expired,
        await by_rest(c, "jwt-token", "s2", role),
        await by_rest(c, "jwt-token", named(role), other(role)),
    ]
    assert [token for token in wrong if await lets_in(c, door, token=token)] == []
    good = await by_rest(c, "jwt-token", named(role), role)
    assert await lets_in(c, door, token=good)


async def test_a_one_time_token(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    await sets(c, publishTokenControlEnabled=True, playTokenControlEnabled=True)
    wrong = [
        "",
        "nonsense",
        await by_rest(c, "token", "s2", role),
        await by_rest(c, "token", named(role), other(role)),
        await by_rest(c, "token", named(role), role, expires=1_000_000_000),
    ]
    revoked = await by_rest(c, "token", named(role), role)
    async with c.http() as http:
        assert (await http.delete(f"/live/rest/v2/broadcasts/{named(role)}/tokens")).json()["success"]
    assert [token for token in (*wrong, revoked) if await lets_in(c, door, token=token)] == []
    good = await by_rest(c, "token", named(role), role)
    assert await lets_in(c, door, token=good)


async def test_a_hash(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    await sets(c, hashControlPublishEnabled=True, hashControlPlayEnabled=True, tokenHashSecret=SECRET)

    def made(stream: str, role: Role, secret: str = SECRET) -> str:
        return hashlib.sha256(f"{stream}{role.value}{secret}".encode()).hexdigest()

    wrong = ["", "nonsense", made("s2", role), made(named(role), other(role)), made(named(role), role, "f" * 32)]
    assert [token for token in wrong if await lets_in(c, door, token=token)] == []
    assert await lets_in(c, door, token=made(named(role), role))


async def test_a_time_based_code(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    await sets(
        c,
        enableTimeTokenForPublish=True,
        enableTimeTokenForPlay=True,
        timeTokenSecretForPublish=SECRET,
        timeTokenSecretForPlay=SECRET,
    )

    def code(subscriber: str, stream: str, role: Role) -> str:
        return code_at(derived_key(SECRET, subscriber, StreamId(stream), role), time.time(), 60)

    wrong = [
        ("", ""),
        ("ann", "000000"),
        ("ann", code("ann", "s2", role)),
        ("bob", code("bob", named(role), other(role))),
        ("eve", code("ann", named(role), role)),
    ]
    shown = [{"subscriberId": who, "subscriberCode": what} for who, what in wrong]
    assert [one for one in shown if await lets_in(c, door, **one)] == []
    good = code("ann", named(role), role)
    assert await lets_in(c, door, subscriberId="ann", subscriberCode=good)


async def test_the_code_that_rest_gives(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    await sets(
        c,
        enableTimeTokenForPublish=True,
        enableTimeTokenForPlay=True,
        timeTokenSecretForPublish=SECRET,
        timeTokenSecretForPlay=SECRET,
    )
    async with c.http() as http:
        path = f"/live/rest/v2/broadcasts/{named(role)}/subscribers/ann/totp?type={role.value}"
        good = (await http.get(path)).json()["dataId"]
    assert await lets_in(c, door, subscriberId="ann", subscriberCode=good)


async def test_whom_a_webhook_lets_in(c: WireCluster, door: str, hook: Receiver) -> None:
    await sets(c, webhookAuthenticateURL=hook.url, webhookPlayAuthUrl=hook.url)
    for status in (401, 500, 302, 204):
        hook.statuses = [status]
        assert not await lets_in(c, door, token="t", subscriberId="ann"), status
    assert await lets_in(c, door, token="t", subscriberId="ann")
    assert {one.fields["token"] for one in hook.told} == {"t"}


async def test_who_is_blocked_stays_out(c: WireCluster, door: str) -> None:
    _, role = DOORS[door]
    async with c.http() as http:
        blocks = f"/live/rest/v2/broadcasts/{named(role)}/subscribers/ann/block"
        assert (await http.put(f"{blocks}/600/publish_play")).json()["success"]
        blocked = await _blocked(c, door)
        assert (await http.put(f"{blocks}/0/publish_play")).json()["success"]
    assert blocked
    assert await lets_in(c, door, subscriberId="ann")
    assert await lets_in(c, door, subscriberId="bob")


async def _blocked(c: WireCluster, door: str) -> bool:
    """Whether ann is told that she is blocked."""
    goes, role = DOORS[door]
    if goes is by_http:
        return not await by_http(c, role, {"subscriberId": "ann"})
    async with c.client() as client:
        answer = await client.ask(role.value, streamId=named(role), subscriberId="ann")
    return bool(answer.get("definition") == "user_blocked")
