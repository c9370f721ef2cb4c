"""The bus stalls under a running stream: nobody who watches notices, and nobody is taken for gone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, cluster, until

ALARMS = (
    "server_will_stop",
    "play_finished",
    "publish_finished",
    "highResourceUsage",
    "reconnection_attempt_for_player",
)
"""What clients are told when the cluster takes somebody for gone."""

STALL_S = 20
"""Longer than the patience of the client of NATS (9 s). Shorter ones: `test_chaos_short.py`."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fragile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A cluster whose bus is going to stall."""
    async with cluster(tmp_path_factory.mktemp("fragile"), edges=2) as running:
        yield running


@contextmanager
def frozen(running: Cluster, name: str) -> Iterator[None]:
    """A server process of the cluster stands still until the end of the block."""
    server = next(process for process in running.processes() if process.name() == name)
    server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send_signal(signal.SIGCONT)


async def offer() -> str:
    """What a viewer by WHEP sends first."""
    peer = RTCPeerConnection()
    try:
        peer.addTransceiver("video", "recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp
    finally:
        await peer.close()


async def test_a_bus_that_stalls_is_noticed_by_nobody_who_watches(
    fragile: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer, strangers.open() as other:
        await publisher.call("sdkPublish", url=fragile.websocket(), stream=stream)
        live = await fragile.live(stream)
        for watching in (viewer, other):
            await watching.call("sdkPlay", url=fragile.websocket(), stream=stream)
            await watching.until_watching()
        await until(lambda: fragile.stream(stream), lambda seen: seen and seen.viewers == 2, "both viewers are counted")
        before = [await page.observe() for page in (publisher, viewer, other)]

        question = await offer()
        with frozen(fragile, "nats-server"):
            stalled = asyncio.create_task(asyncio.sleep(STALL_S))
            while not stalled.done():
                answer = await fragile.request(
                    "POST", fragile.whep(stream), content=question, headers={"Content-Type": "application/sdp"}
                )
                assert answer.status_code == 503, "a join that can't be carried out is refused"
                assert int(answer.headers["Retry-After"]) >= 1
                for watching in (viewer, other):
                    await watching.until_frames_go_on()

        after = await until(
            lambda: fragile.stream(stream), lambda seen: seen and seen.viewers == 2, "everybody is known again"
        )
        assert after is not None
        assert after.origin == live.origin
        for page, earlier in zip((publisher, viewer, other), before, strict=True):
            seen = await page.observe()
            assert seen.made == earlier.made
            assert [alarm for alarm in ALARMS if seen.heard_since(earlier, alarm)] == []
        for watching in (viewer, other):
            await watching.until_frames_go_on()
        async with strangers.open() as late:
            await late.call("sdkPlay", url=fragile.websocket(), stream=stream)
            await late.until_watching()
    assert fragile.tracebacks() == []
