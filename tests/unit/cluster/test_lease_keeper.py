"""What a lease's keeper writes into the store, over claims, losses and hand-overs."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.testing.kv import FakeKeyValue

KEY = "live/s"
TTL_S = 6.0


class Written(msgspec.Struct, frozen=True):
    owner: str
    epoch: int
    since_epoch: int


class Bench:
    """A store, a clock that stands still until it is told, and keepers of one key."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = FakeKeyValue(clock=lambda: self.now, ttl_s=TTL_S)

    def keeper(self, owner: str, *, replace_revision: int | None = None) -> LeaseKeeper:
        return LeaseKeeper(
            self.store,
            KEY,
            Lease(TTL_S, self.now, replace_revision=replace_revision),
            record_of=lambda epoch, since_epoch: msgspec.json.encode(Written(owner, epoch, since_epoch)),
            is_ours=lambda value: msgspec.json.decode(value, type=Written).owner == owner,
            clock=lambda: self.now,
        )

    async def written(self) -> Written:
        entry = await self.store.get(KEY)
        assert entry is not None
        assert entry.value is not None
        return msgspec.json.decode(entry.value, type=Written)


async def held(bench: Bench) -> LeaseKeeper:
    keeper = bench.keeper("o1")
    assert await keeper.claim()
    await keeper.step()
    return keeper


async def claimed_anew(bench: Bench, keeper: LeaseKeeper) -> Written:
    """What the write says that claims the key again."""
    while (await bench.store.get(KEY)) is None:
        bench.now = max(bench.now, keeper.lease.due)
        await keeper.step()
    return await bench.written()


async def test_the_first_claim_says_neither_epoch_and_the_next_write_says_both() -> None:
    bench = Bench()
    keeper = bench.keeper("o1")

    assert await keeper.claim()
    claim = await bench.written()
    await keeper.step()

    assert claim == Written("o1", 0, 0)
    epoch = keeper.lease.epoch
    assert await bench.written() == Written("o1", epoch, epoch)


@pytest.mark.parametrize("lost", ["expired", "reset"])
async def test_a_claim_after_the_store_lost_the_key_already_says_since_when_relays_are_valid(lost: str) -> None:
    bench = Bench()
    keeper = await held(bench)
    first = keeper.lease.epoch
    if lost == "expired":
        bench.now += 2 * TTL_S
    else:
        bench.store.lose_state()

    claim = await claimed_anew(bench, keeper)

    assert claim == Written("o1", 0, first)
    await keeper.step()
    assert await bench.written() == Written("o1", keeper.lease.epoch, first)


async def test_a_renewed_epoch_is_claimed_without_what_was_valid_before() -> None:
    bench = Bench()
    keeper = await held(bench)
    first = keeper.lease.epoch

    keeper.renew_epoch()
    await keeper.step()

    assert await bench.written() == Written("o1", 0, 0)
    await keeper.step()
    assert (await bench.written()).since_epoch == keeper.lease.epoch > first


async def test_a_renewal_that_the_store_lost_meanwhile_does_not_bring_old_relays_back() -> None:
    bench = Bench()
    keeper = await held(bench)
    keeper.renew_epoch()
    bench.now += 2 * TTL_S

    claim = await claimed_anew(bench, keeper)

    assert claim == Written("o1", 0, 0)


async def test_a_claim_over_a_dead_owners_record_says_neither() -> None:
    bench = Bench()
    await held(bench)
    entry = await bench.store.get(KEY)
    assert entry is not None

    keeper = bench.keeper("o2", replace_revision=entry.revision)
    assert await keeper.claim()

    assert await bench.written() == Written("o2", 0, 0)


async def test_a_key_that_another_took_is_not_released_by_the_loser() -> None:
    bench = Bench()
    loser = await held(bench)
    bench.now += 2 * TTL_S
    winner = bench.keeper("o2")
    assert await winner.claim()

    await loser.release()

    assert (await bench.written()).owner == "o2"
