"""Passwords and codes that are tried at several signaling instances count together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from argon2 import PasswordHasher

from rillcast.contracts import subjects, words
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import PasswordTried
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import TryStep
from rillcast.node.background import BackgroundTasks
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.adapters.bus_guesses import BusGuesses
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.held_locks import SubscriberCodes
from services.signaling.core.usecases.subscriber_store import SubscriberStore
from services.signaling.operators.adapters.argon2_hashes import Argon2Hashes
from services.signaling.operators.adapters.bus_tries import BusTries
from services.signaling.operators.domain.accounts import SYSTEM, Account, Role, account_key
from services.signaling.operators.domain.lockout import LOCK_S, TRIES, TRIES_OF_ACCOUNT
from services.signaling.operators.domain.passwords import wire_form
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.sign_in import Locked, SignIn

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD, NEAR, FAR = "correct horse", "192.0.2.7", "203.0.113.9"


class Desk:
    """Several instances on one store and one bus."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.hashes = Argon2Hashes(QUICK)
        self.accounts = AccountStore(FakeKeyValue())
        self.broker = FakeBroker()
        self.buses: list[FakeBus] = []
        self.doors: list[SignIn] = []
        self.told: list[PasswordTried] = []

    async def open(self, count: int) -> None:
        for number in range(count):
            bus = FakeBus(self.broker)
            tries = BusTries(bus, NodeId(f"signaling-{number}"))
            door = SignIn(
                self.accounts,
                self.hashes,
                SessionCookies(b"key"),
                lifetime_s=60,
                now_s=lambda: self.now_s,
                others=tries,
            )
            await tries.start(door.heard)
            self.buses.append(bus)
            self.doors.append(door)

        async def note(subject: str, tried: PasswordTried) -> None:
            self.told.append(tried)

        await self.buses[0].listen(subjects.SIGNALING_PASSWORD_TRIED, PasswordTried, note)

    async def is_in(self, at: int, password: str = PASSWORD, address: str = NEAR, name: str = "ada") -> bool:
        return await self.doors[at].sign_in(name, password, address) is not None

    async def settle(self) -> None:
        """All instances have heard of all steps."""
        await self.buses[0].settle()

    def locked(self, name: str = "ada", address: str = NEAR) -> list[bool]:
        return [door.is_locked(name, address) for door in self.doors]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.open(3)
    hashed = await made.hashes.hash(wire_form(PASSWORD))
    await made.accounts.create(Account(email="ada", password_hash=hashed, app_name_user_type={SYSTEM: Role.ADMIN}))
    yield made
    made.hashes.close()
    for bus in made.buses:
        await bus.close()


async def test_three_wrong_passwords_at_three_instances_lock_the_guesser_out_at_each(desk: Desk) -> None:
    for at in range(TRIES):
        assert not await desk.is_in(at, "wrong")
    await desk.settle()
    assert desk.locked() == [True] * 3
    for at in range(3):
        with pytest.raises(Locked):
            await desk.is_in(at)
    assert await desk.is_in(1, address=FAR)
    desk.now_s += LOCK_S
    assert desk.locked() == [False] * 3
    assert await desk.is_in(2)


async def test_whoever_signs_in_is_forgiven_at_each(desk: Desk) -> None:
    for _ in range(4):
        for at in range(TRIES - 1):
            assert not await desk.is_in(at, "wrong")
        await desk.settle()
        assert await desk.is_in(2)
        await desk.settle()
    assert desk.locked() == [False] * 3


async def test_many_addresses_at_many_instances_have_no_more_tries_of_an_account(desk: Desk) -> None:
    assert await desk.is_in(0, address=FAR)
    await desk.settle()
    for number in range(TRIES_OF_ACCOUNT):
        assert not await desk.is_in(number % 3, "wrong", f"198.51.100.{number}")
        await desk.settle()
    for at in range(3):
        with pytest.raises(Locked):
            await desk.is_in(at, address="198.51.100.200")
        assert await desk.is_in(at, address=FAR), "whoever came from there before is not locked out by others"


async def test_this_machine_is_another_one_at_each_instance(desk: Desk) -> None:
    for _ in range(TRIES):
        assert not await desk.is_in(0, "wrong", "127.0.0.1")
    assert desk.locked(address="127.0.0.1") == [True, False, False]
    assert desk.told == []


async def test_without_the_bus_each_instance_counts_for_itself(desk: Desk) -> None:
    for bus in desk.buses:
        bus.connected = False
    for _ in range(TRIES):
        assert not await desk.is_in(0, "wrong")
    assert desk.locked() == [True, False, False]


async def test_what_came_to_no_answer_counts_nowhere(desk: Desk) -> None:
    store = desk.accounts._bucket
    assert isinstance(store, FakeKeyValue)
    store.available = False
    results = await asyncio.gather(*(desk.is_in(0, "wrong") for _ in range(TRIES)), return_exceptions=True)
    assert all(isinstance(one, Exception) for one in results)
    await desk.settle()
    store.available = True
    assert desk.locked() == [False] * 3
    assert await desk.is_in(1)


async def test_nobody_is_told_the_name_that_was_typed(desk: Desk) -> None:
    assert not await desk.is_in(0, "wrong", name="a secret typed into the wrong field")
    await desk.settle()
    key = account_key("a secret typed into the wrong field")
    assert [(one.account, one.address, one.step) for one in desk.told] == [
        (key, NEAR, TryStep.BEGUN),
        (key, NEAR, TryStep.WRONG),
    ]


class Now:
    """The part of `Grants` that a code which is wrong needs."""

    @staticmethod
    def now_ms() -> int:
        return 1_700_000_000_000


async def test_wrong_codes_at_two_instances_count_together() -> None:
    broker, clock, tasks = FakeBroker(), FakeClock(), BackgroundTasks()
    buses, locks = [FakeBus(broker), FakeBus(broker)], list[SubscriberCodes]()
    for number, bus in enumerate(buses):
        guesses = BusGuesses(bus, NodeId(f"signaling-{number}"), tasks)
        locks.append(SubscriberCodes(SubscriberStore(FakeKeyValue()), cast("Grants", Now()), clock, guesses.tell))
        await guesses.start(locks[-1].heard)
    settings = AppSettings(
        app_name=AppName("live"), enable_time_token_for_play=True, time_token_secret_for_play="s" * 40
    )
    shown = Credentials(subscriber_id="alice", subscriber_code="000000")

    async def answer(at: int, address: str = NEAR) -> str:
        app, stream, client = AppName("live"), StreamId("s1"), Client(address=address)
        applicant = Applicant(role=words.Role.PLAY, app=app, stream=stream, credentials=shown, client=client)
        with pytest.raises(RillcastError) as refused:
            await locks[at].ask(applicant, settings)
        await tasks.settle()
        await buses[0].settle()
        return refused.value.message

    wrong, later = "the subscriber or its code is not valid here", "too many wrong codes; try again later"
    assert [await answer(number % 2) for number in range(5)] == [wrong] * 5
    assert [await answer(0), await answer(1)] == [later] * 2
    assert await answer(1, FAR) == wrong
    await tasks.close()
    for bus in buses:
        await bus.close()
