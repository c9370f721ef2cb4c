"""The lease: claiming, renewing, standing down, and what it does while the store is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rillcast.cluster.lease import CLAIM_RETRY_S, MAX_EARLY_WRITES, Lease, Step
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.fields import MAX_INTEGER
from rillcast.contracts.ids import ClaimId

TTL_S = 6.0
MS = 1_000
"""The wall clock of these tests: epochs are 1 000 times that."""
CLAIM, NEXT, OTHER = ClaimId("ours"), ClaimId("next"), ClaimId("another's")


def a_lease(replace_revision: int | None = None, above: int = 0) -> Lease:
    return Lease(TTL_S, 0.0, CLAIM, above=above, replace_revision=replace_revision)


def claim(lease: Lease, revision: int | None, now: float, wall_ms: int = 1) -> None:
    """The claiming write, and its answer."""
    lease.propose(wall_ms)
    lease.claimed(revision, now)


def held_lease(epoch: int = 10) -> Lease:
    """It has revision 10."""
    lease = a_lease()
    claim(lease, 10, 0.0, epoch)
    return lease


def test_a_claim_says_its_epoch_by_the_wall_clock() -> None:
    lease = a_lease()

    assert lease.next_step(0.0) is Step.CREATE
    assert lease.propose(7) == Epoch(7 * MS, CLAIM)
    lease.claimed(3, 0.0)

    assert lease.held
    assert (lease.epoch, lease.revision) == (Epoch(7 * MS, CLAIM), 3)
    assert lease.next_step(TTL_S / 3 - 0.01) is Step.WAIT
    assert lease.next_step(TTL_S / 3) is Step.REWRITE


@pytest.mark.parametrize(("above", "number"), [(0, 7_000), (6_999, 7_000), (7_000, 7_001), (9_000, 9_001)])
def test_an_epoch_is_above_all_that_is_known_whatever_the_wall_clock_says(above: int, number: int) -> None:
    assert a_lease(above=above).propose(7).number == number


def test_the_numbers_of_epochs_end_where_messages_end() -> None:
    assert a_lease(above=MAX_INTEGER).propose(7).number == MAX_INTEGER


def test_epochs_of_one_number_are_ordered_by_their_claims() -> None:
    assert Epoch(7, ClaimId("a")) < Epoch(7, ClaimId("b")) < Epoch(8, ClaimId("a"))


def test_a_key_taken_by_another_is_not_claimed() -> None:
    lease = a_lease()

    claim(lease, None, 0.0)
    assert lease.next_step(0.0) is Step.READ
    lease.found(9, Epoch(1, OTHER), 0.0)

    assert lease.lost
    assert not lease.held


def test_a_claim_that_was_refused_and_happened_all_the_same_is_held() -> None:
    """A server that was frozen refuses by what it knows of the past, while the one that leads now has written."""
    lease = a_lease()

    claim(lease, None, 0.0, wall_ms=7)
    lease.found(9, Epoch(7 * MS, CLAIM), 0.0)

    assert (lease.held, lease.epoch, lease.revision) == (True, Epoch(7 * MS, CLAIM), 9)


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

    claims = 0
    for revision in range(100, 150):
        lease.renew(ClaimId(f"c{revision}"), 0.5)
        if lease.next_step(0.5) is Step.REPLACE:
            claim(lease, revision, 0.5)
            claims += 1

    assert claims == MAX_EARLY_WRITES
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
    lease.found(None, None, 60.0)
    assert lease.next_step(60.0) is Step.CREATE
    claim(lease, 42, 60.0, 70)

    assert lease.held
    assert lease.epoch == Epoch(70 * MS, CLAIM)


def test_a_rewrite_whose_answer_got_lost_is_recognised_as_ours() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(12, lease.epoch, 2.0)

    assert lease.held
    assert lease.revision == 12
    assert lease.next_step(2.0) is Step.REWRITE


def test_a_claim_whose_answer_got_lost_is_recognised_as_ours() -> None:
    lease = held_lease(epoch=10)
    lease.renew(NEXT, 1.0)
    proposed = lease.propose(11)

    lease.unreachable(1.0)
    lease.propose(12)
    lease.claimed(None, 2.0)
    lease.found(12, proposed, 2.0)

    assert (lease.epoch, lease.revision) == (proposed, 12)
    assert lease.next_step(2.0) is Step.REWRITE


def test_a_foreign_record_of_a_higher_epoch_makes_the_owner_stand_down_for_good() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(99, Epoch(10 * MS + 1, OTHER), 2.0)

    assert lease.lost
    assert lease.next_step(100.0) is Step.STOP


@pytest.mark.parametrize(
    "record",
    [
        pytest.param((9, Epoch(10 * MS, CLAIM)), id="an older record of ours"),
        pytest.param((9, Epoch(4 * MS, CLAIM)), id="a record of our claim before"),
        pytest.param((5, Epoch(4 * MS, OTHER)), id="a record that we had replaced"),
        pytest.param((10, Epoch(10 * MS - 1, OTHER)), id="a claim with a revision that we had"),
        pytest.param((99, Epoch(10 * MS - 1, OTHER)), id="a claim in the store that forgot"),
    ],
)
def test_an_owner_that_finds_its_record_gone_back_claims_anew_over_what_is_there(record: tuple[int, Epoch]) -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(*record, 2.0)

    assert lease.held
    assert (lease.next_step(2.0), lease.revision) == (Step.REPLACE, record[0])
    assert lease.propose(1) == Epoch(10 * MS + 1, CLAIM), "and what was granted stays valid"


def test_of_two_owners_that_a_forgetful_store_made_the_lower_one_stands_down() -> None:
    low, high = a_lease(), Lease(TTL_S, 0.0, OTHER)
    claim(low, 7, 0.0, wall_ms=10)
    claim(high, 7, 0.0, wall_ms=11)

    for lease, other in ((low, high.epoch), (high, low.epoch)):
        lease.rewritten(None, 2.0)
        lease.found(8, other, 2.0)

    assert (low.lost, high.lost) == (True, False)


def test_what_is_no_record_is_overwritten_at_its_revision_in_a_new_epoch_and_relays_opened_before_stay_good() -> None:
    lease = held_lease(epoch=10)

    lease.rewritten(None, 2.0)
    lease.found(99, None, 2.0)
    assert lease.held
    assert lease.next_step(2.0) is Step.REPLACE
    assert lease.revision == 99
    claim(lease, 100, 2.0, 70)

    assert lease.epoch == Epoch(70 * MS, CLAIM)


def test_a_higher_epoch_in_the_change_feed_makes_the_owner_stand_down() -> None:
    lease = held_lease(epoch=10)

    lease.observed(Epoch(9 * MS, OTHER), now=1.0)
    lease.observed(Epoch(11 * MS, CLAIM), now=1.0)
    assert lease.held
    lease.observed(Epoch(11 * MS, OTHER), now=1.0)

    assert lease.lost


def test_a_lower_epoch_in_the_change_feed_makes_the_owner_look_at_its_key() -> None:
    lease = held_lease(epoch=10)
    assert lease.next_step(1.0) is Step.WAIT

    lease.observed(Epoch(9 * MS, OTHER), now=1.0)

    assert lease.held
    assert lease.next_step(1.0) is Step.REWRITE


def test_a_claim_over_a_dead_owners_record_replaces_that_revision_only() -> None:
    lease = a_lease(replace_revision=33, above=10 * MS)

    assert lease.next_step(0.0) is Step.REPLACE
    assert lease.revision == 33
    claim(lease, 34, 0.0)

    assert lease.epoch == Epoch(10 * MS + 1, CLAIM)


def test_a_renewed_claim_voids_the_one_before_even_if_the_first_write_collides() -> None:
    lease = held_lease(epoch=10)

    lease.renew(NEXT, 1.0)
    assert lease.next_step(1.0) is Step.REPLACE
    claim(lease, None, 1.0)
    lease.found(12, lease.epoch, 1.0)
    assert lease.next_step(1.0) is Step.REPLACE
    claim(lease, 13, 1.0, 70)

    assert lease.epoch == Epoch(70 * MS, NEXT)


def test_a_claim_that_is_renewed_while_another_is_on_its_way_is_written_right_after_it() -> None:
    lease = held_lease(epoch=10)
    lease.rewritten(None, 1.0)
    lease.found(None, None, 1.0)
    lease.propose(11)
    lease.renew(NEXT, 1.0)
    lease.claimed(12, 1.0)

    assert lease.epoch == Epoch(11 * MS, CLAIM)
    assert lease.next_step(1.0) is Step.REPLACE
    assert lease.propose(12).claim == NEXT


OURS = 12
THEIRS = 99
HIGHER, LOWER = Epoch(11 * MS, OTHER), Epoch(1, OTHER)
EVENTS: dict[str, Callable[[Lease], None]] = {
    "claimed": lambda lease: claim(lease, OURS, 5.0),
    "claim lost": lambda lease: claim(lease, None, 5.0),
    "rewritten": lambda lease: lease.rewritten(OURS, 5.0),
    "rewrite lost": lambda lease: lease.rewritten(None, 5.0),
    "found ours": lambda lease: lease.found(OURS, lease.epoch, 5.0),
    "found ours of before": lambda lease: lease.found(OURS - 3, lease.epoch, 5.0),
    "found theirs": lambda lease: lease.found(THEIRS, HIGHER, 5.0),
    "found theirs of before": lambda lease: lease.found(THEIRS, LOWER, 5.0),
    "found garbage": lambda lease: lease.found(THEIRS, None, 5.0),
    "found none": lambda lease: lease.found(None, None, 5.0),
    "unreachable": lambda lease: lease.unreachable(5.0),
    "hurry": lambda lease: lease.hurry(5.0),
    "renew": lambda lease: lease.renew(NEXT, 5.0),
    "observed higher": lambda lease: lease.observed(HIGHER, now=5.0),
    "observed lower": lambda lease: lease.observed(LOWER, now=5.0),
    "observed ours": lambda lease: lease.observed(Epoch(11 * MS, CLAIM), now=5.0),
}


def refused() -> Lease:
    lease = a_lease()
    claim(lease, None, 0.0)
    return lease


def renewing() -> Lease:
    lease = held_lease()
    lease.renew(NEXT, 1.0)
    return lease


def looking() -> Lease:
    lease = held_lease()
    lease.rewritten(None, 1.0)
    return lease


def claiming_anew() -> Lease:
    lease = looking()
    lease.found(None, None, 1.0)
    return lease


def stopped() -> Lease:
    lease = looking()
    lease.found(THEIRS, HIGHER, 1.0)
    return lease


STATES: dict[str, Callable[[], Lease]] = {
    "creating": a_lease,
    "replacing": lambda: a_lease(replace_revision=3),
    "refused": refused,
    "held": held_lease,
    "renewing": renewing,
    "looking": looking,
    "creating anew": claiming_anew,
    "stopped": stopped,
}
C, P, W, R, X = Step.CREATE, Step.REPLACE, Step.REWRITE, Step.READ, Step.STOP
MATRIX: dict[str, dict[str, Step]] = {
    # An answer that does not belong to the step is one to a write that was on its way when the step became another.
    "creating": {"claimed": W, "claim lost": R, "unreachable": C},
    "replacing": {"claimed": W, "claim lost": R, "unreachable": P},
    "refused": {"found theirs": X, "found theirs of before": X, "found garbage": X, "found none": X, "unreachable": R},
    "held": {"rewritten": W, "rewrite lost": R, "unreachable": W, "hurry": W, "renew": P},
    "renewing": {"claimed": W, "claim lost": R, "rewritten": P, "rewrite lost": R, "unreachable": P},
    "looking": {
        "found ours": W,
        "found ours of before": P,
        "found theirs": X,
        "found theirs of before": P,
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
