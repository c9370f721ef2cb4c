"""The sessions of operators: how they begin, hold at every instance, and end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.testing.kv import FakeKeyValue
from services.signaling.app import Signaling
from services.signaling.core.wire import read_files
from services.signaling.operators.domain.accounts import MAX_SESSIONS, Account, account_key
from services.signaling.operators.domain.session_cookie import COOKIE, SessionCookies
from tests.unit.signaling.fake_nodes import FakeHost
from tests.unit.signaling.operator_sessions import PASSWORD, add_user, authenticate, sign_in
from tests.unit.signaling.page_words import words_of
from tests.unit.signaling.signaling_harness import Cluster, cluster

STATUS = "/rest/v2/authentication-status"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def accounts(c: Cluster) -> FakeKeyValue:
    return c.host.buckets[subjects.BUCKET_ACCOUNTS]


async def stored(c: Cluster, name: str = "admin") -> Account:
    entry = await accounts(c).get(account_key(name))
    assert entry is not None
    return msgspec.json.decode(entry.value or b"", type=Account)


async def is_in(http: httpx.AsyncClient) -> bool:
    return bool((await http.get(STATUS)).json()["success"])


@asynccontextmanager
async def second_instance(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    """Another instance on the same store."""
    host = FakeHost(c.broker)
    host.buckets = c.host.buckets
    service = await Signaling.build(c.settings, host, read_files(c.settings))
    try:
        transport = httpx.ASGITransport(service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080") as http:
            yield http
    finally:
        service.operators.hashes.close()
        await service.core.tasks.close()
        await host.close()


@pytest.mark.parametrize("spelling", [PASSWORD, hashlib.md5(PASSWORD.encode()).hexdigest()])
async def test_the_password_and_its_md5_sign_in(c: Cluster, spelling: str) -> None:
    async with c.stranger() as http:
        answer = await authenticate(http, password=spelling)
        assert answer == {"success": True, "message": "system/ADMIN", "dataId": "", "errorId": 0}
        assert await is_in(http)


async def test_the_cookie_is_for_this_site_and_for_no_script(c: Cluster) -> None:
    async with c.stranger() as http:
        answer = await http.post("/rest/v2/users/authenticate", json={"email": "admin", "password": PASSWORD})
    parts = answer.headers["set-cookie"].split("; ")
    assert parts[0].startswith(f"{COOKIE}=")
    assert parts[1:] == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]
    assert answer.headers["cache-control"] == "no-store"


async def test_the_cookie_is_secure_where_the_client_speaks_tls() -> None:
    async with cluster(trusted_proxies="127.0.0.1") as c, c.stranger() as http:
        body, tls = {"email": "admin", "password": PASSWORD}, {"X-Forwarded-Proto": "https"}
        answer = await http.post("/rest/v2/users/authenticate", json=body, headers=tls)
    assert answer.headers["set-cookie"].endswith("; Secure")


async def test_a_session_holds_at_every_instance_and_ends_at_every_instance(c: Cluster) -> None:
    async with sign_in(c) as http, second_instance(c) as other:
        other.cookies = http.cookies
        cookie = http.cookies[COOKIE]
        assert await is_in(other)

        assert (await other.delete("/rest/v2/users/logout")).json()["success"]

        for client in (http, other):
            client.cookies.set(COOKIE, cookie)
            assert not await is_in(client)
            assert (await client.get("/rest/v2/version")).status_code == 403


async def test_a_session_ends_by_itself() -> None:
    async with cluster(session_lifetime_s=60) as c, sign_in(c) as http:
        assert await is_in(http)
        account = await stored(c)
        over = [msgspec.structs.replace(one, until_s=one.until_s - 61) for one in account.sessions]
        value = msgspec.json.encode(msgspec.structs.replace(account, sessions=tuple(over)))
        await accounts(c).put(account_key("admin"), value)
        assert not await is_in(http)


async def test_the_store_has_nothing_to_sign_in_with(c: Cluster) -> None:
    async with sign_in(c) as http:
        _, session_id, mac = http.cookies[COOKIE].split(".")
    value = msgspec.json.encode(await stored(c)).decode()
    for secret in (session_id, mac, PASSWORD, hashlib.md5(PASSWORD.encode()).hexdigest()):
        assert secret not in value


async def test_what_was_changed_in_a_cookie_is_refused_without_asking_the_store(c: Cluster) -> None:
    async with sign_in(c) as http:
        key, session_id, mac = http.cookies[COOKIE].split(".")
    forged = SessionCookies(b"another key").value(key, session_id)
    accounts(c).available = False
    for value in (
        "",
        "x",
        f"{key}.{session_id}",
        f"{key}.{session_id}.{'0' * 64}",
        f"{account_key('ada')}.{session_id}.{mac}",
        f"{key}.{'A' * 43}.{mac}",
        f"{key}.{session_id}.{mac}x",
        f"{key.upper()}.{session_id}.{mac}",
        forged,
        "a" * 4_000,
    ):
        async with c.stranger(cookies={COOKIE: value}) as http:
            answer = await http.get("/rest/v2/version")
            assert (answer.status_code, words_of(answer)) == (403, "Not authenticated user")


async def test_without_the_store_no_session_holds_and_the_token_of_the_machine_does(c: Cluster) -> None:
    async with sign_in(c) as http, c.http() as local:
        accounts(c).available = False
        assert (await http.get("/rillcast/v1/status")).status_code == 503
        assert (await http.delete("/rest/v2/users/logout")).status_code == 503
        assert (await local.get("/rillcast/v1/status")).status_code == 200
        accounts(c).available = True
        assert await is_in(http), "it has not ended, and nobody was told so"


async def test_an_account_has_so_many_sessions_and_the_oldest_end(c: Cluster) -> None:
    async with sign_in(c) as oldest:
        for _ in range(MAX_SESSIONS):
            async with sign_in(c):
                pass
        assert not await is_in(oldest)
    assert len((await stored(c)).sessions) == MAX_SESSIONS


async def test_many_sign_in_at_once_and_each_has_a_session(c: Cluster) -> None:
    async def one() -> bool:
        async with sign_in(c) as http:
            return await is_in(http)

    assert all(await asyncio.gather(*(one() for _ in range(8))))


async def test_another_password_ends_ones_other_sessions(c: Cluster) -> None:
    async with sign_in(c) as http, sign_in(c) as elsewhere:
        changed = await http.post(
            "/rest/v2/users/password", json={"email": "admin", "password": PASSWORD, "newPassword": "a new password"}
        )
        assert changed.json() == {"success": True, "message": "Success", "dataId": "", "errorId": 0}
        assert (await is_in(http), await is_in(elsewhere)) == (True, False)
    async with c.stranger() as again:
        assert not (await authenticate(again))["success"]
        assert (await authenticate(again, password="a new password"))["success"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"password": "wrong", "newPassword": "a new password"}, "User not exist with that name and pass"),
        ({"password": PASSWORD}, "User name does not exist or there is no new password"),
        (
            {"email": "ada", "password": PASSWORD, "newPassword": "a new password"},
            "User name does not exist or there is no new password",
        ),
        ({"password": PASSWORD, "newPassword": "short"}, "a password has 8 to 256 characters"),
    ],
)
async def test_a_password_is_not_changed_without_the_present_one(
    c: Cluster, body: dict[str, str], message: str
) -> None:
    before = (await stored(c)).password_hash
    async with sign_in(c) as http:
        answer = (await http.post("/rest/v2/users/password", json=body)).json()
    assert (answer["success"], answer["message"]) == (False, message)
    assert (await stored(c)).password_hash == before


async def test_a_changed_role_and_a_deleted_account_count_at_once(c: Cluster) -> None:
    async with c.http() as admin:
        await add_user(admin, "ada", appNameUserType={"system": "ADMIN"})
        async with sign_in(c, "ada") as http:
            create = {"streamId": "x"}
            assert (await http.post("/live/rest/v2/broadcasts/create", json=create)).status_code == 200
            await admin.put("/rest/v2/users", json={"email": "ada", "userType": "READ_ONLY"})
            assert (await http.post("/live/rest/v2/broadcasts/create", json=create)).status_code == 403
            await admin.delete("/rest/v2/users/ada")
            assert (await http.get("/rillcast/v1/status")).status_code == 403


async def test_nobody_edits_or_deletes_himself(c: Cluster) -> None:
    async with sign_in(c) as http:
        edited = (await http.put("/rest/v2/users", json={"email": "admin", "userType": "USER"})).json()
        deleted = (await http.delete("/rest/v2/users/admin")).json()
    assert edited["message"] == "User cannot edit itself"
    assert deleted["message"] == "You cannot delete yourself"
