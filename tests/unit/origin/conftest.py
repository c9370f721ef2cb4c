from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from origin_harness import World


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()
