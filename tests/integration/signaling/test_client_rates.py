"""SDKs and panels behind one address over real sockets, at the rates at which they ask by themselves, are served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import msgspec

from rillcast.testing.eventually import eventually
from services.signaling import metrics
from tests.integration.signaling.test_panel_calls import READS, page, sign_in
from tests.integration.signaling.wire import WireCluster, wire_cluster

WATCHED_S = 8.0
ANSWERED_WITHIN_S = 30.0
"""On a busy machine."""
SDKS, PANELS = 20, 10
CONNECTIONS_OF_A_BROWSER = 6
POLLED = ("/rest/v2/system-resources", "/rest/v2/live-clients-size", "/rest/v2/cluster/nodes/0/50")


def refusals() -> dict[str, float]:
    """Of all counters of what was refused, that are not zero."""
    counters = (metrics.RATE_LIMITED, metrics.PLACES_REFUSED)
    found = (sample for counter in counters for family in counter.collect() for sample in family.samples)
    return {f"{one.name}{sorted(one.labels.items())}": one.value for one in found if one.name.endswith("_total")}


async def every(seconds: float, what: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + WATCHED_S
    while loop.time() < ends:
        await what()
        await asyncio.sleep(seconds)


async def sdk(c: WireCluster, number: int) -> list[str]:
    """A viewer that waits for a stream: how its frames were answered."""
    answers: list[str] = []
    sent = 0
    async with c.client() as client:

        async def ping() -> None:
            nonlocal sent
            sent += 1
            await client.send("ping")

        async def play() -> None:
            nonlocal sent
            sent += 1
            await client.send("play", streamId=f"later{number}", token="", room="", trackList=[])

        async def listen() -> None:
            while True:
                frame = msgspec.json.decode(await client.socket.recv())
                answers.append(str(frame.get("definition", frame["command"])))

        listening = asyncio.create_task(listen())
        await asyncio.gather(every(3.0, ping), every(3.5, play))
        await eventually(lambda: len(answers) >= sent, ANSWERED_WITHIN_S, "an answer to each frame")
        listening.cancel()
    return answers


async def panel(c: WireCluster) -> list[int]:
    """A page that opens and stays open: the statuses that it got."""
    limits = httpx.Limits(max_connections=CONNECTIONS_OF_A_BROWSER)
    statuses: list[int] = []
    async with page(c, limits=limits) as http:
        await sign_in(http)

        async def ask(path: str) -> None:
            statuses.append((await http.get(path)).status_code)

        await asyncio.gather(*(ask(f"/rest/v2{path}") for path in READS))
        await asyncio.gather(*(every(3.0, partial(ask, path)) for path in POLLED))
    return statuses


async def test_an_office_of_sdks_and_panels_is_served_without_a_refusal() -> None:
    async with wire_cluster(apps="live", unlimited_networks="192.0.2.0/24") as c:
        before = refusals()
        async with asyncio.TaskGroup() as group:
            sdks = [group.create_task(sdk(c, number)) for number in range(SDKS)]
            panels = [group.create_task(panel(c)) for _ in range(PANELS)]
        heard, shown = [task.result() for task in sdks], [task.result() for task in panels]
        assert {answer for answers in heard for answer in answers} == {"pong", "no_stream_exist"}
        assert all(len(answers) >= 2 for answers in heard)
        assert {status for statuses in shown for status in statuses} == {200}
        assert refusals() == before
