"""How much one socket may send."""

from __future__ import annotations

from services.signaling.websocket.domain.flood_guard import FloodGuard, Verdict


def test_a_burst_is_taken_a_flood_is_dropped_and_its_sender_closed() -> None:
    guard = FloodGuard(rate_per_s=1.0, burst=10, now=0.0)

    verdicts = [guard.frame(0.0) for _ in range(21)]

    assert verdicts == [Verdict.TAKE] * 10 + [Verdict.DROP] * 10 + [Verdict.CLOSE]
    assert FloodGuard(1.0, 10, 0.0).frame(5.0) is Verdict.TAKE


def test_a_flood_that_pauses_is_forgiven() -> None:
    guard = FloodGuard(rate_per_s=1.0, burst=10, now=0.0)
    for _ in range(15):
        guard.frame(0.0)

    assert guard.frame(2.0) is Verdict.TAKE
    assert [guard.frame(2.0) for _ in range(3)] == [Verdict.TAKE, Verdict.DROP, Verdict.DROP]


def test_a_steady_flood_is_closed_although_some_of_it_is_taken() -> None:
    guard = FloodGuard(rate_per_s=50.0, burst=500, now=0.0)
    verdicts: list[Verdict] = []
    for number in range(20_000):
        verdicts.append(guard.frame(number / 1_000))

    assert verdicts.index(Verdict.CLOSE) < 1_500


def test_a_client_that_sends_a_little_too_much_is_never_closed() -> None:
    guard = FloodGuard(rate_per_s=50.0, burst=500, now=0.0)

    verdicts = {guard.frame(number / 90) for number in range(20_000)}

    assert verdicts == {Verdict.TAKE, Verdict.DROP}


def test_long_frames_cost_more_than_short_ones() -> None:
    guard = FloodGuard(rate_per_s=1.0, burst=100, now=0.0)

    verdicts = [guard.frame(0.0, 80 * 1024) for _ in range(10)]

    assert verdicts == [Verdict.TAKE] * 9 + [Verdict.DROP]
    assert guard.frame(0.0, 100) is Verdict.TAKE
