"""The lease: claiming, renewing, standing down, and what it does while the store is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rillcast.cluster.lease import CLAIM_RETRY_S, MAX_EARLY_WRITES, Holder, Lease, Step

TTL_S = 6.0


def held_lease(epoch: int = 10) -> Lease:
    lease = Lease(TTL_S, 0.0)
    lease.claimed(epoch, 0.0)
    lease.rewritten(epoch + 1, 0.0)
    return lease


def test_a_claim_creates_the_key_and_its_revision_is_the_epoch() -> None:
    lease = Lease(TTL_S, 0.0)

    assert lease.next_step(0.0) is Step.CREATE
    lease.claimed(7, 0.0)

    assert lease.held
    assert (lease.epoch, lease.since_epoch) == (7, 7)
    assert lease.next_step(0.0) is Step.REWRITE


def test_a_key_taken_by_another_is_not_claimed() -> None:
    lease = Lease(TTL_S, 0.0)

    lease.claimed(None, 0.0)

    assert lease.lost
    assert not lease.held


def test_the_key_is_rewritten_every_third_of_its_time() -> None:
    lease = held_lease()

    assert lease.next_step(TTL_S / 3 - 0.01) is Step.WAIT
    assert lease.next_step(TTL_S / 3) is Step.REWRITE


def test_a_changed_record_is_written_at_once() -> None:
    lease = held_lease()

    lease.hurry(0.5)

    assert lease.next_step(0.5) is Step.REWRITE


def test_a_record_that_changes_all_the_time_is_written_at_a_bounded_rate() -> None:
    lease = held_lease()
    now, writes = 0.0, 0

    while now < 60.0:
        lease.hurry(now)
        if lease.next_step(now) is Step.REWRITE:
            writes += 1
            lease.rewritten(100 + writes, now)
        now += 0.01

    assert 30 <= writes <= 30 * (MAX_EARLY_WRITES + 1)


def test_a_renewed_epoch_does_not_get_around_the_bound() -> None:
    lease = held_lease()

    for revision in range(100, 150):
        lease.renew_epoch(0.5)
        if lease.next_step(0.5) is Step.REPLACE:
            lease.claimed(revision, 0.5)
            lease.rewritten(revision, 0.5)

    assert lease.epoch == 100 + MAX_EARLY_WRITES - 1
    assert lease.next_step(2.5) is Step.REPLACE


def test_an_owner_that_cannot_reach_the_store_keeps_the_lease_and_keeps_trying() -> None:
    lease = held_lease()
    now = TTL_S / 3

    for _ in range(1000):
        assert lease.next_step(now) is Step.REWRITE
        lease.unreachable(now)
        now += CLAIM_RETRY_S

    assert lease.held
    assert not lease.reachable(now)


def test_a_key_the_store_lost_is_claimed_anew_and_relays_opened_before_stay_good() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 60.0)
    assert lease.next_step(60.0) is Step.READ
    lease.found(None, Holder.NOBODY, 60.0)
    assert lease.next_step(60.0) is Step.CREATE
    lease.claimed(42, 60.0)

    assert lease.held
    assert (lease.epoch, lease.since_epoch) == (42, 10)


def test_a_rewrite_whose_answer_got_lost_is_recognised_as_ours() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(12, Holder.OURS, 2.0)

    assert lease.held
    assert lease.revision == 12
    assert lease.next_step(2.0) is Step.REWRITE


def test_a_foreign_record_makes_the_owner_stand_down_for_good() -> None:
    lease = held_lease()

    lease.rewritten(None, 2.0)
    lease.found(99, Holder.OTHER, 2.0)

    assert lease.lost
    assert lease.next_step(100.0) is Step.STOP


def test_what_is_no_record_is_overwritten_at_its_revision_in_a_new_epoch_and_relays_opened_before_stay_good() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(99, Holder.NOBODY, 2.0)
    assert lease.held
    assert lease.next_step(2.0) is Step.REPLACE
    assert lease.revision == 99
    lease.claimed(100, 2.0)

    assert (lease.epoch, lease.since_epoch) == (100, 10)


def test_a_higher_epoch_in_the_change_feed_makes_the_owner_stand_down() -> None:
    lease = held_lease(epoch=10)

    lease.observed(9, ours=False, now=1.0)
    lease.observed(11, ours=True, now=1.0)
    assert lease.held
    lease.observed(11, ours=False, now=1.0)

    assert lease.lost


def test_a_claim_over_a_dead_owners_record_replaces_that_revision_only() -> None:
    lease = Lease(TTL_S, 0.0, replace_revision=33)

    assert lease.next_step(0.0) is Step.REPLACE
    assert lease.revision == 33
    lease.claimed(34, 0.0)

    assert (lease.epoch, lease.since_epoch) == (34, 34)


def test_a_renewed_epoch_voids_the_one_before_even_if_the_first_write_collides() -> None:
    lease = held_lease(epoch=10)

    lease.renew_epoch(1.0)
    assert lease.next_step(1.0) is Step.REPLACE
    lease.claimed(None, 1.0)
    lease.found(12, Holder.OURS, 1.0)
    assert lease.next_step(1.0) is Step.REPLACE
    lease.claimed(13, 1.0)

    assert (lease.epoch, lease.since_epoch) == (13, 13)


OURS = 12
THEIRS = 99
EVENTS: dict[str, Callable[[Lease], None]] = {
    "claimed": lambda lease: lease.claimed(OURS, 5.0),
    "claim lost": lambda lease: lease.claimed(None, 5.0),
    "rewritten": lambda lease: lease.rewritten(OURS, 5.0),
    "rewrite lost": lambda lease: lease.rewritten(None, 5.0),
    "found ours": lambda lease: lease.found(OURS, Holder.OURS, 5.0),
    "found theirs": lambda lease: lease.found(THEIRS, Holder.OTHER, 5.0),
    "found garbage": lambda lease: lease.found(THEIRS, Holder.NOBODY, 5.0),
    "found none": lambda lease: lease.found(None, Holder.NOBODY, 5.0),
    "unreachable": lambda lease: lease.unreachable(5.0),
    "hurry": lambda lease: lease.hurry(5.0),
    "renew": lambda lease: lease.renew_epoch(5.0),
    "observed higher": lambda lease: lease.observed(THEIRS, ours=False, now=5.0),
    "observed lower": lambda lease: lease.observed(1, ours=False, now=5.0),
    "observed ours": lambda lease: lease.observed(THEIRS, ours=True, now=5.0),
}


def renewing() -> Lease:
    lease = held_lease()
    lease.renew_epoch(1.0)
    return lease


def looking() -> Lease:
    lease = held_lease()
    lease.rewritten(None, 1.0)
    return lease


def claiming_anew() -> Lease:
    lease = looking()
    lease.found(None, Holder.NOBODY, 1.0)
    return lease


def stopped() -> Lease:
    lease = looking()
    lease.found(THEIRS, Holder.OTHER, 1.0)
    return lease


STATES: dict[str, Callable[[], Lease]] = {
    "creating": lambda: Lease(TTL_S, 0.0),
    "replacing": lambda: Lease(TTL_S, 0.0, replace_revision=3),
    "held": held_lease,
    "renewing": renewing,
    "looking": looking,
    "creating anew": claiming_anew,
    "stopped": stopped,
}
C, P, W, R, X = Step.CREATE, Step.REPLACE, Step.REWRITE, Step.READ, Step.STOP
MATRIX: dict[str, dict[str, Step]] = {
    # An answer that does not belong to the step is one to a write that was on its way when the step became another.
    "creating": {"claimed": W, "claim lost": X, "unreachable": C},
    "replacing": {"claimed": W, "claim lost": X, "unreachable": P},
    "held": {"rewritten": W, "rewrite lost": R, "unreachable": W, "hurry": W, "renew": P},
    "renewing": {"claimed": W, "claim lost": R, "rewritten": P, "rewrite lost": R, "unreachable": P},
    "looking": {
        "found ours": W,
        "found theirs": X,
        "found garbage": P,
        "found none": C,
        "unreachable": R,
        "hurry": R,
        "renew": R,
    },
    "creating anew": {"claimed": W, "claim lost": R, "unreachable": C, "hurry": C, "renew": C},
    "stopped": dict.fromkeys(EVENTS, X),
}
OBSERVED = {"observed lower": None, "observed ours": None, "observed higher": X}
"""Whatever the step is, as long as the lease is held; None: the step stays."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_in_every_state(state: str, event: str) -> None:
    lease = STATES[state]()
    step, held_before = lease.next_step(100.0), lease.held
    expected = MATRIX[state].get(event)
    if event in OBSERVED and lease.held:
        expected = OBSERVED[event] or step
    if expected is None:
        return  # can't happen: no such answer is on its way
    EVENTS[event](lease)

    assert lease.next_step(100.0) is expected
    assert lease.held is (expected is not X and (held_before or event == "claimed"))
