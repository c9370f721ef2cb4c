"""Passwords: who is locked out, how many hashes are made at a time, and the first operator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.http.addresses import counted_as
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.operators.adapters.argon2_hashes import Argon2Hashes
from services.signaling.operators.domain.accounts import SYSTEM, Account, Role
from services.signaling.operators.domain.hash_line import PLACES
from services.signaling.operators.domain.lockout import (
    LOCK_S,
    TRIES,
    TRIES_OF_ACCOUNT,
    TRIES_OF_ADDRESS,
    Lockout,
)
from services.signaling.operators.domain.passwords import wire_form
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.ports import OPERATOR, Asker
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.first_account import FIRST, ensure_account
from services.signaling.operators.usecases.sign_in import MAX_WAITING, Locked, SignIn

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD, NEAR, FAR = "correct horse", "192.0.2.7", "203.0.113.9"


class Site:
    """An account and a clock that tests turn."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.hashes = Argon2Hashes(QUICK)
        self.bucket = FakeKeyValue()
        self.accounts = AccountStore(self.bucket)
        cookies = SessionCookies(b"key")
        self.door = SignIn(self.accounts, self.hashes, cookies, lifetime_s=60, now_s=lambda: self.now_s)

    async def is_in(self, password: str = PASSWORD, address: str = NEAR, name: str = "ada") -> bool:
        return await self.door.sign_in(name, password, address) is not None

    async def wrong(self, times: int, address: str = NEAR, name: str = "ada") -> None:
        for _ in range(times):
            assert not await self.is_in("wrong", address, name)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    hashed = await made.hashes.hash(wire_form(PASSWORD))
    await made.accounts.create(Account(email="ada", password_hash=hashed, app_name_user_type={SYSTEM: Role.ADMIN}))
    yield made
    made.hashes.close()


async def test_three_wrong_passwords_lock_the_guesser_out_and_nobody_else(site: Site) -> None:
    await site.wrong(TRIES)
    with pytest.raises(Locked):
        await site.is_in()
    assert site.door.is_locked("ada", NEAR)
    assert await site.is_in(address=FAR)
    site.now_s += LOCK_S
    assert await site.is_in()


async def test_the_right_password_forgives_the_wrong_ones_before(site: Site) -> None:
    for _ in range(5):
        await site.wrong(TRIES - 1)
        assert await site.is_in()


async def test_tries_that_run_at_once_count_each(site: Site) -> None:
    tries = (site.is_in("wrong") for _ in range(6))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert outcomes.count(False) == TRIES
    assert [type(one) for one in outcomes if one is not False] == [Locked] * (6 - TRIES)


async def test_an_office_signs_in_at_once_by_one_account_and_one_more_is_told_to_come_back(site: Site) -> None:
    outcomes = await asyncio.gather(*(site.is_in() for _ in range(MAX_WAITING + 2)), return_exceptions=True)
    assert outcomes.count(True) == MAX_WAITING + 1
    (refused,) = (one for one in outcomes if one is not True)
    assert isinstance(refused, TooOften)
    assert refused.retry_after_s


async def test_one_address_has_so_many_tries_whatever_names_it_tries(site: Site) -> None:
    for number in range(TRIES_OF_ADDRESS):
        await site.wrong(1, name=f"name{number}")
    with pytest.raises(Locked):
        await site.is_in()


async def test_many_addresses_have_no_more_tries_and_do_not_lock_out_where_somebody_signed_in(site: Site) -> None:
    assert await site.is_in(address=NEAR)
    for number in range(TRIES_OF_ACCOUNT):
        await site.wrong(1, address=f"198.51.100.{number}")
    with pytest.raises(Locked):
        await site.is_in(address=FAR)
    assert await site.is_in(address=NEAR)


async def test_strangers_never_lock_out_the_machine_itself(site: Site) -> None:
    """So the owner of an account that nobody has signed in to yet comes in there, whatever strangers do elsewhere."""
    for number in range(TRIES_OF_ACCOUNT):
        await site.wrong(1, address=f"198.51.100.{number}")
    for machine in ("127.0.0.1", "::1"):
        assert await site.is_in(address=machine)
    await site.wrong(TRIES, address="127.0.0.1")
    with pytest.raises(Locked):
        await site.is_in(address="127.0.0.1")


async def test_tries_that_are_refused_make_no_lock_longer(site: Site) -> None:
    """Or one try in five minutes, of the owner even, would keep the owner out for ever."""
    for number in range(TRIES_OF_ACCOUNT):
        await site.wrong(1, address=f"198.51.100.{number}")
    for _ in range(3):
        site.now_s += LOCK_S / 3 - 1
        with pytest.raises(Locked):
            await site.is_in(address=FAR)
    site.now_s += 3
    assert await site.is_in(address=FAR)


async def test_tries_that_are_refused_begin_no_lock(site: Site) -> None:
    for number in range(TRIES_OF_ACCOUNT):
        await site.wrong(1, address=f"198.51.100.{number}")
    tries = (site.is_in(address=FAR) for _ in range(TRIES + 1))
    assert {type(one) for one in await asyncio.gather(*tries, return_exceptions=True)} == {Locked}
    assert not site.door.is_locked("ada", FAR)


async def test_without_the_store_no_lock_gets_longer(site: Site) -> None:
    await site.wrong(TRIES - 1)
    site.now_s += LOCK_S - 1
    site.bucket.available = False
    with pytest.raises(RillcastError):
        await site.is_in()
    site.bucket.available = True
    site.now_s += 1
    await site.wrong(TRIES)


async def test_a_name_that_is_not_there_is_answered_and_locked_like_one_that_is(site: Site) -> None:
    await site.wrong(TRIES, name="nobody")
    with pytest.raises(Locked):
        await site.is_in(name="nobody")


async def test_what_came_to_no_answer_does_not_count(site: Site) -> None:
    site.bucket.available = False
    for _ in range(TRIES + 1):
        with pytest.raises(RillcastError):
            await site.is_in()
    site.bucket.available = True
    assert await site.is_in()


def test_counts_are_bounded() -> None:
    lockout = Lockout(most=100)
    for number in range(1_000):
        lockout.begin(f"name{number}", f"address{number}", 0.0)
    assert len(lockout) == 300


def test_ipv6_counts_by_its_64() -> None:
    assert counted_as("2001:db8::1") == counted_as("2001:db8::ffff:1") != counted_as("2001:db8:0:1::1")
    assert counted_as("192.0.2.7") == "192.0.2.7"
    assert counted_as("") == ""


async def test_a_flood_of_hashes_is_refused_and_passes() -> None:
    hashes, go = Argon2Hashes(QUICK), threading.Event()
    blocked = asyncio.create_task(hashes._run(go.wait, OPERATOR))
    waiting = [asyncio.create_task(hashes.hash("x")) for _ in range(PLACES - 1)]
    await asyncio.sleep(0)
    with pytest.raises(RillcastError) as refused:
        await hashes.matches(None, "x", Asker(NEAR, first=False))
    for task in waiting[:5]:
        task.cancel()
    go.set()
    await asyncio.gather(blocked, *waiting, return_exceptions=True)
    assert refused.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert await hashes.matches(await hashes.hash("x"), "x", OPERATOR), "whoever went away holds no place"
    hashes.close()


@pytest.mark.parametrize("hash", [None, "", "rubbish", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_what_is_no_hash_of_the_password_never_fits(hash: str | None) -> None:
    hashes = Argon2Hashes(QUICK)
    assert not await hashes.matches(hash, wire_form("nobody at all"), OPERATOR)
    assert not await hashes.matches(hash, "nobody at all", OPERATOR)
    hashes.close()


async def test_the_default_hash_is_argon2id_with_owasps_least_parameters() -> None:
    hashes = Argon2Hashes()
    assert (await hashes.hash("x")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    hashes.close()


# ---- the first operator


async def test_of_many_instances_that_start_at_once_one_tells_a_password_and_it_is_right() -> None:
    bucket, hashes = FakeKeyValue(), Argon2Hashes(QUICK)
    told: list[tuple[str, str]] = []
    instances = [AccountStore(bucket) for _ in range(5)]
    await asyncio.gather(*(ensure_account(one, hashes, "", lambda *said: told.append(said)) for one in instances))
    await ensure_account(instances[0], hashes, "", lambda *said: told.append(said))

    ((name, password),) = told
    account = await instances[0].by_email(name)
    assert account is not None
    assert (name, account.roles, len(await instances[0].all())) == (FIRST, {SYSTEM: Role.ADMIN}, 1)
    assert await hashes.matches(account.password_hash, wire_form(password), OPERATOR)
    hashes.close()


async def test_a_given_password_is_not_told_and_counts_at_the_first_start_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    accounts, hashes = AccountStore(FakeKeyValue()), Argon2Hashes(QUICK)
    told: list[tuple[str, str]] = []
    for given, warned in (("first password", False), ("first password", False), ("second password", True)):
        caplog.clear()
        await ensure_account(accounts, hashes, given, lambda *said: told.append(said))
        assert ("is not in force" in caplog.text) is warned
        assert given not in caplog.text
    account = await accounts.by_email(FIRST)
    assert account is not None and await hashes.matches(account.password_hash, wire_form("first password"), OPERATOR)
    assert told == []
    hashes.close()
