"""Passwords that are tried at two instances of signaling on one NATS server count together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
import pytest_asyncio

from rillcast.testing.eventually import eventually
from services.signaling.operators.domain.lockout import TRIES
from tests.integration.signaling.rest_instances import rest_instances

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
AUTHENTICATE = "/rest/v2/users/authenticate"
PASSWORD = "correct horse battery"
LOCKED = "Too many login attempts. User is blocked for 300 secs"
Pair = Sequence[httpx.AsyncClient]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with (
        rest_instances(
            tmp_path_factory.mktemp("pair"), admin_password=PASSWORD, trusted_proxies="127.0.0.1"
        ) as instances,
        instances[0].http() as first,
        instances[1].http() as second,
    ):
        yield first, second


async def sign_in(http: httpx.AsyncClient, address: str, password: str = PASSWORD) -> tuple[bool, str]:
    """Success and message of the answer; a request that is told to come back comes back."""
    body, headers = {"email": "admin", "password": password}, {"X-Forwarded-For": address, "ProxyAuthorization": ""}
    while (answer := await http.post(AUTHENTICATE, json=body, headers=headers)).status_code == 429:
        await asyncio.sleep(float(answer.headers["Retry-After"]))
    assert answer.status_code == 200, answer.text
    return answer.json()["success"], answer.json()["message"] or ""


async def both_have_locked(pair: Pair, address: str) -> bool:
    headers = {"X-Forwarded-For": address}
    answers = [await http.get("/rest/v2/users/admin/blocked", headers=headers) for http in pair]
    return all(answer.json()["success"] for answer in answers)


async def test_three_wrong_ones_at_two_instances_lock_the_guesser_out_at_both_and_nobody_else(pair: Pair) -> None:
    guesser = "198.51.100.1"
    for number in range(TRIES):
        assert await sign_in(pair[number % 2], guesser, "wrong") == (False, "")
    await eventually(lambda: both_have_locked(pair, guesser), 10.0, "both instances have locked the guesser out")
    for http in pair:
        assert await sign_in(http, guesser) == (False, LOCKED)
        assert (await sign_in(http, "198.51.100.2"))[0]
        assert (await sign_in(http, "127.0.0.1"))[0]


async def test_whoever_asks_both_at_once_has_one_more_try_at_most(pair: Pair) -> None:
    """Each of the two may begin one before it hears of the other's."""
    for number in range(5):
        address = f"203.0.113.{number + 1}"
        answers = await asyncio.gather(*(sign_in(pair[one % 2], address, "wrong") for one in range(12)))
        assert answers.count((False, "")) in (TRIES, TRIES + 1), answers
        assert answers.count((False, LOCKED)) == 12 - answers.count((False, ""))
