"""Rungs that are set for one broadcast by REST, and viewers who come before those are there."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest

from rillcast.contracts.status import StreamStatus
from rillcast.testing.eventually import within
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, process_of, until

RUNGS = [{"height": 360, "videoBitrate": 600_000}, {"height": 180, "videoBitrate": 200_000}]
END_TIMEOUT_S = 30.0
TRIES = 3


@asynccontextmanager
async def generated_publisher(url: str) -> AsyncIterator[Process]:
    """H.264 720p without an encoder's cost, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "bench", "publish", url, "--bitrate", "300000", "--seconds", "80"),
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        async with within(END_TIMEOUT_S, "the publisher's end"):
            await process.communicate()


async def until_heights(rillcast: Cluster, publisher: Process, stream: str, *heights: int) -> None:
    """Ends at once with what the publisher said if it has ended."""

    async def entry() -> StreamStatus | None:
        if publisher.returncode is not None and publisher.stderr is not None:
            said = (await publisher.stderr.read()).decode(errors="replace")
            raise RuntimeError(f"the publisher ended with {publisher.returncode}: {said[-2000:]}")
        return await rillcast.stream(stream)

    await until(entry, lambda seen: seen and seen.renditions == heights, f"renditions of the heights {heights}")


async def test_rungs_of_a_broadcast_come_and_go_while_it_is_live(rillcast: Cluster, stream: str) -> None:
    url = f"{rillcast.base}/live/rest/v2/broadcasts/{stream}"
    async with generated_publisher(rillcast.whip(stream, "live")) as publisher:
        await until_heights(rillcast, publisher, stream, 720)

        changed = await rillcast.request("PUT", url, json={"encoderSettingsList": RUNGS})
        assert changed.json()["success"] is True
        await until_heights(rillcast, publisher, stream, 720, 360, 180)
        shown = (await rillcast.request("GET", url)).json()
        assert [rung["height"] for rung in shown["encoderSettingsList"]] == [360, 180]
        listed = (await rillcast.request("GET", f"{url}/stream-info")).json()
        assert [one["videoHeight"] for one in listed] == [720, 360, 180]

        refused = await rillcast.request("PUT", url, json={"encoderSettingsList": [{"height": 0, "videoBitrate": 1}]})
        assert (refused.status_code, "height is 0" in refused.text) == (400, True)
        await rillcast.request("PUT", url, json={"encoderSettingsList": RUNGS[1:]})
        await until_heights(rillcast, publisher, stream, 720, 180)

        await rillcast.request("PUT", url, json={"encoderSettingsList": []})
        await until_heights(rillcast, publisher, stream, 720)

        stopped = (await rillcast.request("DELETE", url)).json()
        assert stopped["message"] == "broadcast is deleted and stopped successfully"
        await until(lambda: rillcast.stream(stream), lambda entry: entry is None, "the stream was stopped")


@pytest.mark.parametrize("way", ["whep", "sdk"])
async def test_a_viewer_without_the_publishers_codec_who_comes_before_the_rung_gets_it_when_it_is_there(
    rillcast: Cluster, strangers: Strangers, stream: str, way: str
) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.call("whipPublish", url=rillcast.whip(stream, "live"), codec="VP8")
        assert "H264" not in (await rillcast.live(stream)).codecs
        for _ in range(TRIES):
            async with strangers.open() as viewer:
                if await is_in_time(rillcast, viewer, stream, way):
                    seen = await viewer.until_watching()
                    break
            await take_rungs_back(rillcast, stream)
        else:
            raise AssertionError(f"the rung came too late for each of {TRIES} viewers")

        assert seen.first is not None
        assert seen.first.video_codec == "video/H264"
        assert seen.picture.height == 180


async def is_in_time(rillcast: Cluster, viewer: Stranger, stream: str, way: str) -> bool:
    """Whether a rung is there before the viewer has waited for it for too long. On a busy machine the transcoder may
    need more than the three seconds for which viewers are kept: then this one was told to come again."""
    before = await waits(rillcast)
    with transcoder_held(rillcast):
        url = f"{rillcast.base}/live/rest/v2/broadcasts/{stream}"
        await rillcast.request("PUT", url, json={"encoderSettingsList": RUNGS[1:]})
        playing = asyncio.create_task(play_h264(rillcast, viewer, stream, way))
        await until(lambda: awaiting(rillcast), lambda count: count == 1, "the viewer is kept waiting")
    try:
        after = await until(lambda: waits(rillcast), lambda now: now != before, "the viewer waits no longer")
        late = after["late"] > before["late"]
        assert late or after["ok"] == before["ok"] + 1
        if not late:
            await playing
        return not late
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


async def take_rungs_back(rillcast: Cluster, stream: str) -> None:
    await until(lambda: rillcast.stream(stream), lambda seen: seen and "H264" in seen.codecs, "the rung is there")
    url = f"{rillcast.base}/live/rest/v2/broadcasts/{stream}"
    await rillcast.request("PUT", url, json={"encoderSettingsList": []})
    await until(lambda: rillcast.stream(stream), lambda seen: seen and "H264" not in seen.codecs, "no rung is there")


async def play_h264(rillcast: Cluster, viewer: Stranger, stream: str, way: str) -> None:
    if way == "whep":
        await viewer.call("whepPlay", url=rillcast.whep(stream, "live"), codec="H264")
    else:
        await viewer.call("decodesOnly", codec="H264")
        await viewer.call("sdkPlay", url=rillcast.websocket("live"), stream=stream)


async def of_all_edges(rillcast: Cluster, name: str) -> float:
    return sum(await asyncio.gather(*(rillcast.metric(edge, name) for edge in ("edge-1", "edge-2"))))


async def awaiting(rillcast: Cluster) -> float:
    return await of_all_edges(rillcast, "rillcast_edge_viewers_awaiting_rungs")


async def waits(rillcast: Cluster) -> dict[str, float]:
    """How many ended, by outcome."""
    name = "rillcast_edge_rung_waits_total"
    return {how: await of_all_edges(rillcast, f"{name}{{outcome={how}}}") for how in ("ok", "late")}


@contextmanager
def transcoder_held(rillcast: Cluster) -> Iterator[None]:
    """It announces nothing until the end of the block."""
    process = process_of(rillcast, "transcoder-1")
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
