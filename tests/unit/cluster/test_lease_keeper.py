"""The steps of a lease in a store: what is written when, also while a write is on its way, and what is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, new_claim_id
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.kv import FakeKeyValue

TTL_S = 6.0
ANSWER_S = 0.2
WALL_MS = 1_000
"""At which the wall clock of these tests stands: epochs grow by one with each claim."""
FIRST = WALL_MS * 1_000


THEIRS = f"other took {FIRST + 9} theirs".encode()
"""The record of an owner that claimed later."""


class SlowStore(FakeKeyValue):
    """Every write happens at once, and its answer takes a while."""

    def __init__(self) -> None:
        super().__init__("slow", TTL_S, asyncio.get_running_loop().time)

    async def create(self, key: str, value: bytes) -> int | None:
        revision = await super().create(key, value)
        await asyncio.sleep(ANSWER_S)
        return revision

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        written = await super().update(key, value, revision)
        await asyncio.sleep(ANSWER_S)
        return written


class Owner:
    """One owner of the key ``k``. Its record is its name, a text that changes, and the epoch with its claim."""

    def __init__(self, store: FakeKeyValue, name: str = "me") -> None:
        self.store = store
        self.name = name
        self.text = "new"
        self.no_records = 0
        self.forgotten = 0
        clock = asyncio.get_running_loop().time
        self.keeper = LeaseKeeper(
            store,
            "k",
            Lease(TTL_S, clock(), new_claim_id()),
            record_of=self._record,
            written_by=self._written_by,
            on_no_record=self._no_record,
            on_forgotten=self._forgotten,
            clock=clock,
            wall_ms=lambda: WALL_MS,
        )

    def say(self, text: str) -> None:
        self.text = text
        self.keeper.hurry()

    def _record(self, epoch: Epoch) -> bytes:
        return f"{self.name} {self.text} {epoch.number} {epoch.claim}".encode()

    def _forgotten(self) -> None:
        self.forgotten += 1

    def _no_record(self) -> None:
        self.no_records += 1

    def _written_by(self, value: bytes, _revision: int) -> tuple[str, Epoch]:
        try:
            name, _text, epoch, claim = value.decode().split()
        except ValueError as error:
            raise Undecodable("not four words") from error
        return name, Epoch(int(epoch), ClaimId(claim))


async def stored(store: FakeKeyValue) -> str:
    """The record without its claim."""
    entry = await store.get("k")
    return entry.value.decode().rpartition(" ")[0] if entry is not None and entry.value is not None else ""


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def kept(owner: Owner) -> AsyncIterator[asyncio.Task[None]]:
    """The lease is claimed and kept until the block is left."""
    assert await owner.keeper.claim()
    keeping = asyncio.create_task(owner.keeper.keep())
    try:
        yield keeping
    finally:
        await cancelled(keeping)


async def test_a_claimed_key_says_its_epoch_and_is_rewritten_before_it_expires() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)

    async with kept(owner):
        await asyncio.sleep(20.0)

        assert await stored(store) == f"me new {FIRST}"
        assert len(store.writes) == 10, "the claim, and one for each two seconds but the last"


async def test_a_key_that_another_has_is_not_claimed() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    async with kept(Owner(store, "other")):
        assert not await Owner(store).keeper.claim()


async def test_a_key_whose_claim_was_refused_and_happened_all_the_same_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    create = store.create

    async def refuse(key: str, value: bytes) -> None:
        await create(key, value)

    monkeypatch.setattr(store, "create", refuse)
    owner = Owner(store)

    assert await owner.keeper.claim()
    assert owner.keeper.lease.revision == 1


async def test_what_changes_while_a_write_is_on_its_way_is_written_right_after_it() -> None:
    store = SlowStore()
    owner = Owner(store)
    async with kept(owner):
        await asyncio.sleep(TTL_S / 3 + ANSWER_S / 2)  # a write has been made, its answer has not come
        asked_at = now()
        owner.say("changed")
        while await stored(store) != f"me changed {FIRST}":
            await asyncio.sleep(0.01)

        assert now() - asked_at < 2 * ANSWER_S


async def test_a_claim_that_is_renewed_while_a_write_is_on_its_way_is_written_right_after_it() -> None:
    store = SlowStore()
    owner = Owner(store)
    async with kept(owner):
        before = owner.keeper.lease.epoch
        await asyncio.sleep(TTL_S / 3 + ANSWER_S / 2)
        asked_at = now()
        owner.keeper.renew()
        while owner.keeper.lease.epoch == before:
            await asyncio.sleep(0.01)

        assert now() - asked_at < 3 * ANSWER_S
        assert owner.keeper.lease.epoch > before
        assert owner.keeper.lease.epoch.claim != before.claim


async def test_an_owner_that_was_overtaken_ends_and_leaves_the_key_alone() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner) as keeping:
        await store.put("k", THEIRS)
        owner.say("mine!")
        await keeping

        await owner.keeper.release()
        assert await stored(store) == f"other took {FIRST + 9}"


async def test_an_owner_that_heard_of_a_higher_epoch_never_claims_again_although_the_key_is_free() -> None:
    """The change feed is faster than the answer to its own write, and the new owner has ended its stream already."""
    store = SlowStore()
    owner = Owner(store)
    async with kept(owner) as keeping:
        await asyncio.sleep(ANSWER_S * 2)
        await store.put("k", THEIRS)
        owner.say("changed")
        await asyncio.sleep(ANSWER_S / 2)  # its write was refused, which it does not know yet
        owner.keeper.observed("other", Epoch(FIRST + 9, ClaimId("theirs")))
        await store.delete("k")
        await asyncio.wait((keeping,), timeout=60.0)

        assert keeping.done()
        assert not owner.keeper.lease.held
        assert await stored(store) == ""


async def test_a_store_that_is_away_is_asked_again_and_the_lease_stays_held() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner):
        claim = owner.keeper.lease.epoch.claim
        await asyncio.sleep(1.0)
        store.available = False
        await asyncio.sleep(60.0)
        assert owner.keeper.lease.held
        store.available = True
        await asyncio.sleep(1.0)

        assert await stored(store) == f"me new {FIRST + 1}"
        assert owner.keeper.lease.epoch.claim == claim, "what was opened before stays valid"


async def test_a_claim_while_the_store_is_away_says_so() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    store.available = False
    with pytest.raises(RillcastError) as refusal:
        await Owner(store).keeper.claim()
    assert refusal.value.code is ErrorCode.STORE_UNAVAILABLE


async def test_a_key_whose_last_answer_was_lost_is_given_back_all_the_same() -> None:
    store = SlowStore()
    owner = Owner(store)
    async with kept(owner) as keeping:
        await asyncio.sleep(TTL_S / 3 + ANSWER_S / 2)
        await cancelled(keeping)  # the write has happened, and its revision is not known

        await owner.keeper.release()

        assert await stored(store) == ""


@pytest.mark.parametrize("garbage", [b"\xff garbage", b"", b"me"])
async def test_what_is_no_record_is_overwritten_and_counted(garbage: bytes) -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner):
        await asyncio.sleep(1.0)
        claim = owner.keeper.lease.epoch.claim
        await store.put("k", garbage)
        await asyncio.sleep(2.0)

        assert owner.keeper.lease.held
        assert await stored(store) == f"me new {FIRST + 1}"
        assert owner.keeper.lease.epoch.claim == claim, "what was opened before stays valid"
        assert owner.no_records == 1


async def test_what_is_no_record_is_removed_when_the_key_is_given_back() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner) as keeping:
        await asyncio.sleep(1.0)
        await cancelled(keeping)
        await store.put("k", b"\xff garbage")

        await owner.keeper.release()

        assert await store.get("k") is None


@pytest.mark.parametrize("by_feed", [False, True])
async def test_an_owner_that_stands_down_knows_who_has_the_key(by_feed: bool) -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner) as keeping:
        await asyncio.sleep(1.0)
        await store.put("k", THEIRS)
        if by_feed:
            owner.keeper.observed("other", Epoch(FIRST + 9, ClaimId("theirs")))
        await asyncio.wait((keeping,), timeout=60.0)

        assert keeping.done()
        assert owner.keeper.lost_to == "other"


async def test_an_owner_whose_record_is_an_older_one_claims_anew() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    owner = Owner(store)
    async with kept(owner):
        before = owner.keeper.lease.epoch
        await asyncio.sleep(4.5)
        store.roll_back(store.revision - 1)
        await asyncio.sleep(2.0)

        assert await stored(store) == f"me new {FIRST + 1}"
        assert (owner.keeper.lease.epoch.claim, owner.forgotten) == (before.claim, 1)


async def test_an_owner_that_is_forgotten_claims_over_whoever_came_before_it() -> None:
    store = FakeKeyValue("quick", TTL_S, now)
    await store.put("k", b"other had 9 theirs")
    owner = Owner(store)
    owner.keeper.lease = Lease(TTL_S, now(), new_claim_id(), above=9, replace_revision=store.revision)
    async with kept(owner) as keeping:
        store.roll_back(1)
        assert await stored(store) == "other had 9"
        await asyncio.sleep(2.5)

        assert not keeping.done()
        assert await stored(store) == f"me new {FIRST + 1}"


async def test_a_write_over_a_revision_that_was_given_out_twice_is_mended_by_the_later_owner() -> None:
    """The compare-and-set of the earlier owner succeeds over the record of the later one, which has its revision."""
    store = FakeKeyValue("quick", TTL_S, now)
    early, late = Owner(store, "early"), Owner(store, "late")
    async with kept(early) as keeping:
        store.roll_back(0)
        late.keeper.lease = Lease(TTL_S, now(), new_claim_id(), above=FIRST)
        async with kept(late):
            assert early.keeper.lease.revision == late.keeper.lease.revision
            early.say("still_here")
            await asyncio.sleep(0.1)
            assert await stored(store) == f"early still_here {FIRST}"
            await asyncio.sleep(5.0)

            assert keeping.done()
            assert early.keeper.lost_to == "late"
            assert late.keeper.lease.held
            assert (await stored(store)).startswith("late new")
