"""What Ant Media's clients do by themselves fits into our limits: an SDK pings each 3 s, one that waits asks again each
3.5 s, and a panel asks twenty things at once and polls some of them each few seconds. Many of them are behind one
address."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx

from rillcast.runtime.http.limits import HttpLimits
from services.signaling import metrics
from services.signaling.config import SignalingSettings
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.usecases.join_rate import WAITING_COST
from services.signaling.websocket.domain.flood_guard import FloodGuard, Verdict
from tests.unit.signaling.signaling_harness import Cluster, cluster

DOCS = Path(__file__).parents[3] / "docs"
PING_EVERY_S = 3.0
ASKED_AGAIN_EVERY_S = 3.5
HOUR_S = 3_600.0
BEHIND_ONE_ADDRESS = 1_000
PLAYED_S = 300.0
EVERYBODY = {"unlimited_networks": "192.0.2.0/24"}
"""So that the clients' own address, a loopback one, is limited."""
AT_LOAD = (
    *("version", "enterprise-edition", "threads", "authentication-status", "cluster-mode-status", "liveness"),
    *("system-resources", "system-resources/history", "network-status", "cpu-status", "system-memory-status"),
    *("file-system-status", "jvm-memory-status", "live-clients-size", "server-time", "applications"),
    *("applications-info", "server-settings", "cluster/node-count", "cluster/nodes/0/50"),
)
"""Below ``/rest/v2``: what a panel asks in the moment in which its page opens."""
POLLED = {
    "/rest/v2/system-resources": 3.0,
    "/rest/v2/live-clients-size": 3.0,
    "/rest/v2/applications-info": 5.0,
    "/rest/v2/cluster/nodes/0/50": 5.0,
    "/live/rest/v2/broadcasts/list/0/50": 5.0,
    "/live/rest/v2/broadcasts/active-live-stream-count": 5.0,
}
"""Each with its seconds."""


def refused() -> dict[str, float]:
    """What was refused so far because somebody asked too often, by what."""
    samples = (sample for family in metrics.RATE_LIMITED.collect() for sample in family.samples)
    return {sample.labels["what"]: sample.value for sample in samples if sample.name.endswith("_total")}


def test_a_thousand_viewers_who_wait_behind_one_address_are_never_refused() -> None:
    limits = SignalingSettings()
    joins = ClientRate(limits.joins_per_s_per_address, limits.join_burst_per_address)
    asked = 0
    for turn in range(int(HOUR_S / ASKED_AGAIN_EVERY_S)):
        for viewer in range(BEHIND_ONE_ADDRESS):
            now = (turn + viewer / BEHIND_ONE_ADDRESS) * ASKED_AGAIN_EVERY_S
            asked += 1
            assert joins.take("203.0.113.1", now, WAITING_COST) == 0.0, now
    assert asked > 1_000_000


def test_a_thousand_viewers_press_play_at_once_and_again_a_minute_later() -> None:
    limits = SignalingSettings()
    for rate, burst in (
        (limits.joins_per_s_per_address, limits.join_burst_per_address),
        (limits.sockets_per_s_per_address, limits.socket_burst_per_address),
    ):
        bucket = ClientRate(rate, burst)
        assert {bucket.take("203.0.113.1", now) for now in (0.0, 60.0) for _ in range(BEHIND_ONE_ADDRESS)} == {0.0}
        assert bucket.take("203.0.113.1", 60.0) > 0, "and that is the limit"


def test_an_sdk_that_pings_and_asks_again_for_all_its_streams_is_never_dropped() -> None:
    """One socket with as many streams as it may have, for an hour."""
    limits = SignalingSettings()
    guard = FloodGuard(limits.messages_per_s, limits.message_burst, 0.0)
    pings = ((turn * PING_EVERY_S, 30) for turn in range(int(HOUR_S / PING_EVERY_S)))
    plays = (
        (turn * ASKED_AGAIN_EVERY_S, 200)
        for turn in range(int(HOUR_S / ASKED_AGAIN_EVERY_S))
        for _ in range(limits.max_streams_per_socket)
    )
    assert {guard.frame(now, size) for now, size in sorted([*pings, *plays])} == {Verdict.TAKE}


def test_panels_of_an_office_fit_into_the_connections_of_one_address() -> None:
    """A browser has six connections to a host, and asks one thing at a time on each."""
    limits, panels = SignalingSettings(), 100
    assert panels * 6 < limits.max_connections_per_address
    assert HttpLimits().pipelined >= 1


async def every(seconds: float, until_s: float, what: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + until_s
    while loop.time() < ends:
        await what()
        await asyncio.sleep(seconds)


async def sdk(c: Cluster, stream: str) -> int:
    """A viewer who waits for a stream that nobody publishes. How many frames it was answered with."""
    answers: list[str] = []
    async with c.client() as client:

        async def ping() -> None:
            await client.send("ping")

        async def play() -> None:
            await client.send("play", streamId=stream, token="", room="", trackList=[])

        async def listen() -> None:
            while True:
                frame = await client.receive()
                answers.append(str(frame.get("definition", frame["command"])))

        listening = asyncio.create_task(listen())
        await asyncio.gather(every(PING_EVERY_S, PLAYED_S, ping), every(ASKED_AGAIN_EVERY_S, PLAYED_S, play))
        listening.cancel()
    assert set(answers) == {"pong", "no_stream_exist"}
    return len(answers)


async def panel(http: httpx.AsyncClient) -> int:
    """A page that is open. How many requests were answered 200."""
    statuses: list[int] = []

    async def ask(path: str) -> None:
        statuses.append((await http.get(path)).status_code)

    await asyncio.gather(*(ask(f"/rest/v2/{path}") for path in AT_LOAD))
    polls = (every(seconds, PLAYED_S, partial(ask, path)) for path, seconds in POLLED.items())
    await asyncio.gather(*polls)
    assert set(statuses) == {200}
    return len(statuses)


async def test_several_sdks_and_panels_behind_one_address_are_served_for_five_minutes() -> None:
    async with cluster(**EVERYBODY) as c, c.http() as http:
        before = refused()
        heard = await asyncio.gather(
            *(sdk(c, f"later{number}") for number in range(4)), *(panel(http) for _ in range(3))
        )
        assert refused() == before
    assert all(count > PLAYED_S / PING_EVERY_S for count in heard)


def test_limits_and_counters_of_the_documentation_are_there() -> None:
    """Of the table of limits that clients share."""
    text = (DOCS / "security.md").read_text()
    table = text.partition("### Limits that clients share")[2].partition("\n### ")[0]
    known = (DOCS / "reference" / "metrics.md").read_text()
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    counters = [name for row in rows for name in re.findall(r"`([a-z_]+_total)`", row[3])]
    assert len(counters) >= 10
    assert [name for name in counters if f"rillcast_{name}" not in known] == []
    settings = (DOCS / "reference" / "settings.md").read_text()
    for name in ("JOINS_PER_S", "JOIN_BURST", "SOCKETS_PER_S", "SOCKET_BURST", "CHANGES_PER_S", "CHANGE_BURST"):
        assert f"RILLCAST_SIGNALING_{name}_PER_ADDRESS" in settings
