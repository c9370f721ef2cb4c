"""One-time tokens in a real cluster: a join that came to nothing does not use one up, and a client that its node leaves
goes on with the one that it has used, by WebSocket, WHIP and WHEP."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from rillcast.contracts.words import Role
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import ROOT, Cluster, cluster, edge_with_media_port, until
from tests.e2e.protected_app import APP, one_time, protected
from tests.e2e.publishers import ffmpeg_whip, running
from tests.e2e.test_node_failures import end

PLAY_OFFER = (ROOT / "tests" / "vectors" / "sdp" / "chromium-156-play.sdp").read_bytes()
GONE = pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
PLACES = 2
"""Sessions that each edge and origin takes."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two edges and two origins with few places, and an app that asks for one-time tokens."""
    settings = {"RILLCAST_EDGE_MAX_SESSIONS": str(PLACES)}
    async with (
        cluster(tmp_path_factory.mktemp("guarded"), edges=2, origins=2, settings=settings) as guarded,
        protected(guarded, publishTokenControlEnabled=True, playTokenControlEnabled=True),
    ):
        yield guarded


@asynccontextmanager
async def published(guarded: Cluster, stream: str, source: Path) -> AsyncIterator[None]:
    token = await one_time(guarded, stream, Role.PUBLISH)
    command = ffmpeg_whip(source, guarded.whip(stream, APP), "-authorization", token)
    async with running(*command, log=source.parent / f"{stream}.log"):
        await guarded.live(stream)
        yield


async def whep(guarded: Cluster, stream: str, token: str) -> httpx.Response:
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}", "User-Agent": "another"}
    return await guarded.request("POST", guarded.whep(stream, APP), content=PLAY_OFFER, headers=headers)


async def end_edge_of(guarded: Cluster, viewer: Stranger, how: signal.Signals) -> int:
    """The port of the edge that is no more."""
    seen = await viewer.observe()
    assert seen.first is not None
    await end(guarded, edge_with_media_port(guarded, seen.first.port), how)
    return seen.first.port


@GONE
async def test_a_viewer_by_websocket_is_moved_to_another_edge_with_its_used_token(
    guarded: Cluster, strangers: Strangers, stream: str, source: Path, how: signal.Signals
) -> None:
    once = await one_time(guarded, stream, Role.PLAY)
    async with published(guarded, stream, source), strangers.open() as viewer:
        await viewer.call("sdkPlay", url=guarded.websocket(APP), stream=stream, token=once)
        before = await viewer.until_watching()

        port = await end_edge_of(guarded, viewer, how)

        await viewer.until(lambda seen: seen.first and seen.first.port not in {0, port}, "another edge serves it")
        after = await viewer.until_frames_go_on()
        told = after.events[len(before.events) :]
        assert (after.made, [event for event in told if event[0] == "error"]) == (before.made, [])
        assert (await whep(guarded, stream, once)).status_code == 403, "nobody else may use it meanwhile"


@GONE
async def test_a_viewer_by_whep_comes_back_with_its_used_token(
    guarded: Cluster, strangers: Strangers, stream: str, source: Path, how: signal.Signals
) -> None:
    once = await one_time(guarded, stream, Role.PLAY)
    async with published(guarded, stream, source), strangers.open() as viewer:
        await viewer.call("whepPlay", url=guarded.whep(stream, APP), token=once)
        await viewer.until_watching()

        await end_edge_of(guarded, viewer, how)

        await viewer.until(lambda seen: not seen.first or seen.first.state != "connected", "its session is over")
        await viewer.call("whepPlay", url=guarded.whep(stream, APP), token=once)
        await viewer.until(lambda seen: seen.connections[-1].frames_decoded > 20, "it watches again")


@GONE
@pytest.mark.parametrize("client", ["sdk", "whip"])
async def test_a_publisher_comes_back_with_its_used_token(
    guarded: Cluster, strangers: Strangers, stream: str, how: signal.Signals, client: str
) -> None:
    once, watching = await one_time(guarded, stream, Role.PUBLISH), await one_time(guarded, stream, Role.PLAY)
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publish(guarded, publisher, client, stream, once)
        live = await guarded.live(stream)
        await viewer.call("sdkPlay", url=guarded.websocket(APP), stream=stream, token=watching)
        before = await viewer.until_watching()

        await end(guarded, live.origin, how)

        if client == "whip":
            await publisher.until(lambda seen: not seen.first or seen.first.state != "connected", "its session is over")
            await publish(guarded, publisher, client, stream, once)
        await until(
            lambda: guarded.stream(stream), lambda entry: entry and entry.epoch > live.epoch, "the stream is elsewhere"
        )
        assert (await viewer.until_frames_go_on()).made == before.made


async def publish(guarded: Cluster, publisher: Stranger, client: str, stream: str, token: str) -> None:
    url = guarded.websocket(APP) if client == "sdk" else guarded.whip(stream, APP)
    await publisher.call(f"{client}Publish", url=url, stream=stream, token=token, codec="H264")


async def test_a_token_that_came_too_early_is_good_when_the_stream_is_live(
    guarded: Cluster, strangers: Strangers, stream: str, source: Path
) -> None:
    once, other = await one_time(guarded, stream, Role.PLAY), await one_time(guarded, stream, Role.PLAY)
    assert (await whep(guarded, stream, once)).status_code == 404
    async with strangers.open() as by_websocket, strangers.open() as by_whep:
        await by_websocket.call("sdkPlay", url=guarded.websocket(APP), stream=stream, token=other)
        await by_websocket.until_heard("no_stream_exist")

        async with published(guarded, stream, source):
            await by_websocket.until_watching()
            await by_whep.call("whepPlay", url=guarded.whep(stream, APP), token=once)
            await by_whep.until_watching()
            assert (await whep(guarded, stream, once)).status_code == 403


async def taken(guarded: Cluster) -> float:
    """How many places of the edges are."""
    return sum([await guarded.metric(edge, "rillcast_edge_viewers") for edge in ("edge-1", "edge-2")])


async def test_a_token_for_which_no_edge_had_room_is_good_when_there_is_some(
    guarded: Cluster, strangers: Strangers, stream: str, source: Path
) -> None:
    late, socket = await one_time(guarded, stream, Role.PLAY), await one_time(guarded, stream, Role.PLAY)
    async with published(guarded, stream, source), AsyncExitStack() as stack:
        await until(
            lambda: taken(guarded), lambda count: count == 0, "no place is taken by viewers of earlier tests", 60
        )
        pages = [await stack.enter_async_context(strangers.open()) for _ in range(2 * PLACES)]
        for page in pages:
            await page.call("whepPlay", url=guarded.whep(stream, APP), token=await one_time(guarded, stream, Role.PLAY))
        refused = await stack.enter_async_context(strangers.open())
        await refused.call("sdkPlay", url=guarded.websocket(APP), stream=stream, token=socket)
        await refused.until_heard("highResourceUsage")
        assert (await whep(guarded, stream, late)).status_code == 503

        await pages[0].call("whepStop")
        await pages[1].call("whepStop")

        async def let_in() -> int:
            return (await whep(guarded, stream, late)).status_code

        await until(let_in, lambda status: status == 201, "a place at an edge")
        await refused.until_watching()
