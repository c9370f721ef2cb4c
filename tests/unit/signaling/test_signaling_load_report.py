"""What this instance says of its load, and how often."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.testing.bus import FakeBroker
from services.signaling.websocket.usecases.load_report import EVERY_S, FULL_AT_LAG_S, report_load
from services.signaling.websocket.usecases.open_sockets import OpenSockets
from tests.unit.signaling.fake_nodes import FakeHost
from tests.unit.signaling.signaling_harness import cluster


@pytest.mark.parametrize(
    ("lag_s", "load"), [(0.0, 0.0), (FULL_AT_LAG_S / 2, 0.5), (FULL_AT_LAG_S, 1.0), (9 * FULL_AT_LAG_S, 1.0)]
)
async def test_a_late_event_loop_counts_as_load_and_as_full_at_most(lag_s: float, load: float) -> None:
    async with cluster() as c:
        c.host.loop_lag_s = lag_s
        async with c.client(), c.client():
            await asyncio.sleep(2 * EVERY_S)
            assert (c.host.load.sessions, c.host.load.loop_lag) == (2, load)


async def test_a_cancelled_report_ends() -> None:
    async with cluster() as c:
        host = FakeHost(FakeBroker())
        reporting = asyncio.create_task(report_load(host, OpenSockets(c.service.core.tasks, drain_timeout_s=1.0)))
        await asyncio.sleep(EVERY_S / 2)
        reporting.cancel()
        await asyncio.wait([reporting])
        await host.close()

    assert reporting.cancelled()
