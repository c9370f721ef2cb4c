"""Twice as many viewers as there is room for: who comes too late is told so, who is in sees everything, and when the
wave is over there is room again without anybody doing anything."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from rillcast.testing.eventually import eventually
from tests.e2e.cluster import cluster
from tests.e2e.load import publishing, refusals, seen, started, viewers
from tests.e2e.test_bus_stalls import offer

ROOM = 6
"""Of each of two edges."""
SETTINGS = {"RILLCAST_EDGE_MAX_SESSIONS": str(ROOM), "RILLCAST_DISCOVERY": "nats"}


async def test_at_twice_the_capacity_half_are_refused_and_the_others_see_everything(tmp_path: Path) -> None:
    stream = "s1"
    async with (
        cluster(tmp_path, edges=2, settings=SETTINGS) as running,
        publishing(running.whip(stream)),
        AsyncExitStack() as stack,
    ):
        await running.live(stream)

        async def there_are(count: int) -> bool:
            return sum([await running.metric(f"edge-{n}", "rillcast_edge_viewers") for n in (1, 2)]) == count

        inside = await stack.enter_async_context(viewers(running.whep(stream), 2 * ROOM))
        await eventually(lambda: there_are(2 * ROOM), 30, "all places being taken")
        by_http = await started("viewers", running.whep(stream), "-n", str(ROOM), "--rate", "20", "--seconds", "1")
        by_socket = await started(
            *("viewers", running.websocket(), "--stream", stream, "-n", str(ROOM), "--rate", "20", "--seconds", "1")
        )
        answer = await running.request(
            "POST", running.whep(stream), content=await offer(), headers={"Content-Type": "application/sdp"}
        )
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert f"{ROOM} × 503" in await refusals(by_http)
        assert f"{ROOM} × highResourceUsage" in await refusals(by_socket)

        figures = await inside.leave()
        assert (figures.connected, figures.failures, figures.ended) == (2 * ROOM, {}, {})
        assert (figures.steady.receiving, figures.steady.lost) == (2 * ROOM, 0)

        await eventually(lambda: there_are(0), 30, "the end of the wave")
        next_ones = await seen(
            await started("viewers", running.whep(stream), "-n", str(2 * ROOM), "--rate", "5", "--seconds", "1")
        )
        assert (next_ones.connected, next_ones.failures) == (2 * ROOM, {})
        assert running.tracebacks() == []
