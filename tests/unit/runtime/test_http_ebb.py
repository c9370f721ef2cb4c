"""When memory is given back after a flood of connections."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.runtime.http.ebb import DELAY_S, MANY, Ebb, trim


@pytest.fixture
async def given() -> tuple[Ebb, list[float]]:
    times = list[float]()
    loop = asyncio.get_running_loop()
    return Ebb(lambda: times.append(loop.time())), times


async def test_memory_is_given_back_some_time_after_many_connections_have_ended(
    given: tuple[Ebb, list[float]],
) -> None:
    ebb, times = given
    for _ in range(MANY - 1):
        ebb.ended()
    await asyncio.sleep(2 * DELAY_S)
    assert not times
    began = asyncio.get_running_loop().time()
    ebb.ended()
    await asyncio.sleep(2 * DELAY_S)
    assert times == [pytest.approx(began + DELAY_S)]


async def test_it_is_given_back_seldom_while_the_flood_lasts(given: tuple[Ebb, list[float]]) -> None:
    ebb, times = given
    for _ in range(100):
        for _ in range(MANY):
            ebb.ended()
        await asyncio.sleep(1.0)
    assert len(times) == 100 // DELAY_S


async def test_nothing_happens_after_the_end(given: tuple[Ebb, list[float]]) -> None:
    ebb, times = given
    for _ in range(MANY):
        ebb.ended()
    ebb.close()
    await asyncio.sleep(2 * DELAY_S)
    assert not times


def test_the_c_library_is_asked() -> None:
    trim()
