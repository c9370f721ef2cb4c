from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from edge_harness import Begin, World


@pytest_asyncio.fixture
async def begin() -> AsyncIterator[Begin]:
    """Makes an edge with settings, and ends it after the test."""
    worlds: list[World] = []

    async def make(workers: int = 1, **settings: Any) -> World:
        worlds.append(await World(workers, **settings).start())
        return worlds[-1]

    yield make
    for world in worlds:
        await world.stop()


@pytest_asyncio.fixture
async def world(begin: Begin) -> World:
    """An edge, and a live stream with video and audio at origin-1."""
    world = await begin()
    await world.parent("origin-1")
    await world.live()
    return world
