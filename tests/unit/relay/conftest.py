from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from relay_harness import World


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.a.start()
    await world.b.start()
    yield world
    for bus in (world.bus, world.a.bus, world.b.bus):
        await bus.close()
