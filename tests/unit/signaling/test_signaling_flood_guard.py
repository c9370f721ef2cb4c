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
