"""What a process keeps of its traces: bounded, and a flood of refused joins leaves the others where they are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.messages import FinishedSpan
from rillcast.runtime.telemetry.span_store import REFUSALS, SHARES, Fate, SpanStore, in_order

MOST = 400
UNAUTHORIZED = ErrorCode.UNAUTHORIZED.value


class Kept:
    """A store, and the spans that end."""

    def __init__(self, most: int = MOST) -> None:
        self.store = SpanStore(most)
        self._at = 0

    def span(self, trace: str, *, root: bool = False, error: str = "", took_ns: int = 1) -> None:
        self._at += 1
        self.store.add(
            FinishedSpan(
                trace=trace,
                span=f"{self._at:016x}",
                parent="" if root else "f" * 16,
                name="a",
                began_ns=1_000_000 * self._at,
                took_ns=took_ns,
                error=error,
            )
        )

    def join(self, trace: str, error: str = "", parts: int = 3, part_error: str = "") -> None:
        for _ in range(parts):
            self.span(trace, error=part_error)
        self.span(trace, root=True, error=error)

    def whole(self, trace: str, parts: int = 3) -> bool:
        return len(self.store.of(trace)) == parts + 1

    def shares(self) -> dict[str, int]:
        """Spans by the first letter of their trace."""
        found: dict[str, int] = {}
        for one in in_order(self.store.traces()):
            found[one.trace[0]] = found.get(one.trace[0], 0) + 1
        return found


@pytest.mark.parametrize("part_error", ["", UNAUTHORIZED, "403"], ids=["root", "node", "webhook"])
def test_a_flood_of_refused_joins_leaves_the_traces_of_good_and_failed_ones(part_error: str) -> None:
    kept = Kept()
    good, failed = [f"g{number}" for number in range(60)], [f"f{number}" for number in range(20)]
    for trace in good:
        kept.join(trace)
    for trace in failed:
        kept.join(trace, "ice_timeout")
    for number in range(5_000):
        kept.join(f"r{number}", UNAUTHORIZED, part_error=part_error)
    assert all(map(kept.whole, good + failed))
    assert kept.shares()["r"] <= MOST - 320
    assert kept.store.forgotten[Fate.FINE] == kept.store.forgotten[Fate.FAILED] == 0
    assert kept.store.forgotten[Fate.REFUSED] == 4 * 5_000 - kept.shares()["r"]


def test_of_a_store_that_was_full_before_a_flood_takes_its_share_and_no_more() -> None:
    kept = Kept()
    for number in range(MOST):
        kept.join(f"g{number}")
    for number in range(5_000):
        kept.join(f"r{number}", UNAUTHORIZED)
    assert kept.shares()["r"] <= SHARES[Fate.REFUSED] * MOST + 4
    assert kept.shares()["g"] >= (1 - SHARES[Fate.REFUSED]) * MOST - 8
    assert kept.whole(f"g{MOST - 1}")


def test_a_good_join_is_found_in_the_middle_of_a_flood() -> None:
    kept = Kept()
    for number in range(3_000):
        if number % 100 == 0:
            kept.join(f"g{number}")
        kept.join(f"r{number}", UNAUTHORIZED)
    assert all(kept.whole(f"g{number}") for number in range(0, 3_000, 100))


def test_failures_of_ours_push_out_good_traces_to_their_share_only() -> None:
    kept = Kept()
    for number in range(MOST):
        kept.join(f"g{number}")
    for number in range(1_000):
        kept.join(f"f{number}", ErrorCode.NO_NODE_AVAILABLE.value)
    assert kept.shares()["f"] <= SHARES[Fate.FAILED] * MOST + 4


def test_good_joins_push_out_no_failed_ones() -> None:
    kept = Kept()
    kept.join("f", "timeout")
    for number in range(5_000):
        kept.join(f"g{number}")
    assert kept.whole("f")


def test_a_join_that_one_node_refused_and_another_one_took_is_fine() -> None:
    kept = Kept(20)
    kept.join("g", part_error=ErrorCode.HIGH_RESOURCE_USAGE.value)
    for number in range(50):
        kept.join(f"r{number}", UNAUTHORIZED)
    assert kept.whole("g")


def test_refusals_are_what_clients_bring_about() -> None:
    assert {UNAUTHORIZED, "no_stream_exist", "notSetRemoteDescription", "highResourceUsage"} <= REFUSALS
    assert not REFUSALS & {"no_node_available", "server_error_check_logs", "timeout", "ice_timeout", ""}


def test_one_trace_has_half_of_the_room_at_most_and_its_newest_spans() -> None:
    kept = Kept()
    kept.join("g")
    for _ in range(5 * MOST):
        kept.span("a")
    assert len(kept.store.of("a")) == MOST // 2
    assert kept.whole("g")
    assert kept.store.of("a")[-1].began_ns == max(one.began_ns for one in in_order(kept.store.traces()))


def test_the_trace_with_the_newest_span_comes_first_and_one_that_goes_on_stays() -> None:
    kept = Kept(8)
    kept.span("a")
    kept.span("b")
    kept.span("a")
    assert [spans[0].trace for spans in kept.store.traces()] == ["a", "b"]
    for number in range(20):
        kept.span("a" if number % 4 == 0 else f"c{number}")
    assert "a" in {spans[0].trace for spans in kept.store.traces()}


def test_a_trace_that_is_forgotten_leaves_its_room() -> None:
    kept = Kept()
    kept.join("a")
    kept.store.forget("a")
    kept.store.forget("a")
    assert (len(kept.store), kept.store.of("a"), kept.store.traces()) == (0, (), [])


def test_no_room_keeps_nothing() -> None:
    kept = Kept(0)
    kept.join("a")
    assert (len(kept.store), kept.store.traces()) == (0, [])


@given(most=st.integers(1, 40), seed=st.integers(0, 10_000))
def test_the_bound_holds_and_every_span_is_kept_or_counted(most: int, seed: int) -> None:
    chance, kept = random.Random(seed), Kept(most)
    for _ in range(300):
        trace, error = f"t{chance.randrange(20)}", chance.choice(["", "", UNAUTHORIZED, "timeout"])
        kept.span(trace, root=chance.random() < 0.3, error=error)
        assert len(kept.store) <= most
    there = sum(map(len, kept.store.traces()))
    assert there == len(kept.store)
    assert there + sum(kept.store.forgotten.values()) == 300
