"""Whose password is looked at next while others send floods of them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Literal

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.operators.adapters.argon2_hashes import Argon2Hashes
from services.signaling.operators.domain.accounts import Account
from services.signaling.operators.domain.hash_line import PLACES, SHARE, HashLine, HashTicket, Refused
from services.signaling.operators.domain.passwords import wire_form
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.sign_in import SignIn

FLOODER, OWNER, OTHER = "198.51.100.1", "192.0.2.7", "203.0.113.9"


def enter(line: HashLine, address: str, *, first: bool = False) -> HashTicket:
    waiting, _ = line.enter(address, first=first)
    assert isinstance(waiting, HashTicket)
    return waiting


class Hasher:
    """A thread that takes one second of virtual time for each hash."""

    def __init__(self, line: HashLine) -> None:
        self._line = line
        self.now_s = 0
        self.done_s: dict[HashTicket, int] = {}
        self.losers: list[HashTicket] = []

    def ask(self, address: str, *, first: bool = False) -> HashTicket | Refused:
        waiting, loser = self._line.enter(address, first=first)
        if loser is not None:
            self.losers.append(loser)
        return waiting

    def second(self) -> None:
        current = self._line.next()
        self.now_s += 1
        if current is not None:
            self.done_s[current] = self.now_s
            self._line.leave(current)


def test_an_address_has_its_share_and_no_more() -> None:
    line = HashLine()
    for _ in range(SHARE):
        enter(line, FLOODER)
    assert line.enter(FLOODER, first=False) == (Refused.SHARE, None)
    assert len(line) == SHARE


def test_beside_a_flood_of_one_address_another_one_has_the_next_turn_but_one() -> None:
    hasher = Hasher(HashLine())
    waits = []
    for _ in range(50):
        for _ in range(20):
            hasher.ask(FLOODER)
        asked_s, owner = hasher.now_s, hasher.ask(OWNER)
        assert isinstance(owner, HashTicket)
        while owner not in hasher.done_s:
            hasher.second()
            hasher.ask(FLOODER)
        waits.append(hasher.done_s[owner] - asked_s)
    assert max(waits) <= 2


def test_whoever_was_let_in_before_goes_first_and_takes_a_place_from_whoever_has_most() -> None:
    hasher = Hasher(HashLine())
    for number in range(PLACES // SHARE):
        for _ in range(SHARE):
            hasher.ask(f"198.51.100.{number}")
    owner = hasher.ask(OWNER, first=True)
    assert isinstance(owner, HashTicket)
    assert len(hasher.losers) == 1
    hasher.second()
    assert hasher.done_s == {owner: 1}


def test_an_address_that_has_no_place_takes_one_from_an_address_that_has_several() -> None:
    line = HashLine()
    for number in range(PLACES // SHARE):
        for _ in range(SHARE):
            enter(line, f"198.51.100.{number}")
    _, loser = line.enter(OTHER, first=False)
    assert loser is not None
    assert len(line) == PLACES


def test_when_each_place_has_another_address_strangers_are_refused_and_the_owner_is_not() -> None:
    line = HashLine()
    for number in range(PLACES):
        enter(line, f"198.51.100.{number}")
    assert line.enter(OTHER, first=False) == (Refused.FULL, None)
    assert isinstance(line.enter(OWNER, first=True)[0], HashTicket)


def test_whoever_goes_first_takes_no_place_from_another_that_does() -> None:
    line = HashLine()
    for number in range(PLACES):
        enter(line, f"198.51.100.{number}", first=True)
    assert line.enter(OWNER, first=True) == (Refused.FULL, None)


steps = st.lists(
    st.tuples(st.sampled_from(["enter", "enter", "next", "leave", "done"]), st.integers(0, 9), st.booleans()),
    max_size=200,
)


@given(steps)
def test_no_limit_is_exceeded_and_everything_is_given_back(taken: list[tuple[str, int, bool]]) -> None:
    line, there, current = HashLine(), list[HashTicket](), None
    for what, number, first in taken:
        if what == "enter":
            entered, loser = line.enter(f"address{number}", first=first)
            if loser is not None:
                there.remove(loser)
            if isinstance(entered, HashTicket):
                there.append(entered)
        elif what == "next":
            current = line.next() or current
        elif what == "leave" and there:
            line.leave(there.pop(number % len(there)))
        elif what == "done" and current in there:
            assert current is not None
            there.remove(current)
            line.leave(current)
        assert len(line) == len(there) <= PLACES
        assert max(Counter(one.address for one in there if not one.first).values(), default=0) <= SHARE
    for one in there:
        line.leave(one)
    assert len(line) == 0
    assert line.next() is None
    assert not line._of_address and not line._others and not line._first


async def turns_until(condition: Callable[[], bool]) -> None:
    """Virtual time stands still while a thread makes a hash, so this counts turns of the event loop."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


class Held(PasswordHasher):
    """argon2id with small parameters, which begins when it is told to and remembers the order of what it was asked."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()
        self.looked_at: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        assert self.go.wait(10)
        self.looked_at.append(str(password))
        return super().verify(hash, password)


class Site:
    """A door with real hashes, and one account, that of Ada."""

    def __init__(self, hasher: Held) -> None:
        self.hasher = hasher
        self.hashes = Argon2Hashes(hasher)
        self._accounts = AccountStore(FakeKeyValue())
        self.door = SignIn(self._accounts, self.hashes, SessionCookies(b"key"), lifetime_s=60, now_s=lambda: 1_000.0)

    async def add_ada(self, *seen_from: str) -> None:
        hashed = self.hasher.hash(wire_form("right"))
        await self._accounts.create(Account(email="ada", password_hash=hashed, seen_from=seen_from))

    async def flood(self, passwords: int, addresses: int) -> list[asyncio.Task[Account | None]]:
        """So many wrong passwords at once, all for names of their own, of which as many wait as may."""
        tries = (self.door.verified(f"name{n}", "wrong", f"198.51.100.{n % addresses}") for n in range(passwords))
        flood = [asyncio.create_task(one) for one in tries]
        await turns_until(lambda: len(self.hashes._line) == PLACES)
        return flood


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site(Held())
    yield made
    made.hasher.go.set()
    made.hashes.close()


@pytest.mark.parametrize(("seen_from", "before"), [((), PLACES // 2 + 1), ((OWNER,), 1)], ids=["new", "known"])
async def test_an_owner_signs_in_during_a_flood_of_passwords(
    site: Site, seen_from: tuple[str, ...], before: int
) -> None:
    """Those that are looked at `before`: one of each address of the flood, or the one that was begun already."""
    await site.add_ada(*seen_from)
    flood = await site.flood(64, addresses=PLACES // 2)
    owner = asyncio.create_task(site.door.sign_in("ada", "right", OWNER))
    await turns_until(lambda: any(one.address == OWNER for one in site.hashes._turns))
    site.hasher.go.set()
    assert await owner is not None
    assert site.hasher.looked_at.index(wire_form("right")) <= before
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, TooOften)]
    assert len(refused) == 64 - PLACES + 1, "one of those that waited lost its place"
    assert all(one.retry_after_s for one in refused)


async def test_a_flood_of_one_address_takes_no_more_than_its_share(site: Site) -> None:
    await site.add_ada()
    tries = [asyncio.create_task(site.door.verified(f"name{n}", "wrong", FLOODER)) for n in range(20)]
    await turns_until(lambda: sum(one.done() for one in tries) == 20 - SHARE)
    assert len(site.hashes._line) == SHARE
    site.hasher.go.set()
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in outcomes].count(TooOften) == 20 - SHARE
    assert await site.door.sign_in("ada", "right", OWNER) is not None
