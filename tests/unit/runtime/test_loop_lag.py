"""The lag of the event loop: what a sample took too long, fading."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.runtime.process.loop_lag import SAMPLE_S, LoopLag


async def sample_held_for(lag: LoopLag, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of which the sleep ends so much too late."""
    sleep = asyncio.sleep

    async def late(delay: float) -> None:
        await sleep(delay + seconds)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", late)
        await lag.sample()


async def test_a_loop_in_time_has_no_lag() -> None:
    lag, before = LoopLag(), asyncio.get_running_loop().time()
    await lag.sample()
    assert lag.lag_s == pytest.approx(0.0, abs=1e-6)
    assert asyncio.get_running_loop().time() - before == pytest.approx(SAMPLE_S)


async def test_the_highest_lag_counts_and_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = LoopLag()
    await sample_held_for(lag, 0.5, monkeypatch)
    assert lag.lag_s == pytest.approx(0.5)
    await sample_held_for(lag, 0.1, monkeypatch)
    assert lag.lag_s == pytest.approx(0.4)
    for _ in range(20):
        await lag.sample()
    assert lag.lag_s < 0.01
