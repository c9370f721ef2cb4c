"""The ladder under real browsers: viewers without the publisher's codec, and a transcoder that is killed."""

from __future__ import annotations

import asyncio
import math
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from rillcast.testing.eventually import within
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, cluster, process_of, until
from tests.e2e.conftest import need
from tests.e2e.test_firefox import DEADLINE_S, firefox, until_seen

RUNGS = [{"height": 180, "videoBitrate": 400_000}, {"height": 120, "videoBitrate": 200_000}]
LOOK_S = 0.02
"""Between two looks at a picture: the machine has other things to do."""
FALLBACK_S = 30.0
"""A deadline, not a claim: edges notice within a second, then come a relay and a keyframe."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two transcoders; the app has a ladder and makes VP8."""
    async with cluster(tmp_path_factory.mktemp("studio"), transcoders=2) as running:
        settings = {"encoderSettings": RUNGS, "vp8Enabled": True}
        await posted(running, settings)
        yield running
    assert running.tracebacks() == []


async def posted(studio: Cluster, settings: dict[str, object]) -> httpx.Response:
    return await studio.request("POST", f"{studio.base}/rest/v2/applications/settings/LiveApp", json=settings)


async def until_renditions(studio: Cluster, stream: str, *codecs: str) -> None:
    await until(
        lambda: studio.stream(stream),
        lambda entry: entry and set(codecs) <= set(entry.codecs) and 180 in entry.renditions,
        f"renditions in {codecs}",
    )


@pytest.mark.parametrize(("published", "watched"), [("H264", "VP8"), ("VP8", "H264"), ("VP9", "VP8"), ("AV1", "H264")])
async def test_a_viewer_without_the_publishers_codec_sees_the_picture(
    studio: Cluster, strangers: Strangers, stream: str, published: str, watched: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("whipPublish", url=studio.whip(stream), codec=published)
        live = await studio.live(stream)
        assert published in live.codecs
        await until_renditions(studio, stream, watched)

        await viewer.call("whepPlay", url=studio.whep(stream), codec=watched)

        seen = await viewer.until_watching()
        assert seen.first is not None
        assert seen.first.video_codec == f"video/{watched}"
        await viewer.until(lambda now: (now.picture.width, now.picture.height) == (320, 180), "the higher rung")


async def test_viewers_in_an_app_with_a_ladder_keep_their_connection_and_get_the_picture_back(
    studio: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as before, strangers.open(camera=True) as after, strangers.open() as viewer:
        await before.call("whipPublish", url=studio.whip(stream), codec="H264")
        await studio.live(stream)
        await viewer.call("whepPlay", url=studio.whep(stream), codec="H264")
        seen = await viewer.until_watching()
        assert seen.connections[-1].video_codec == "video/H264"

        await before.page.close()
        await after.publish_when_free(studio.whip(stream), codec="VP8")
        await studio.live(stream)

        frames = seen.frames_decoded
        later = await viewer.until(lambda now: now.frames_decoded > frames + 100, "the picture goes on")
        assert (later.made, later.connections[-1].video_codec) == (seen.made, "video/H264")


async def test_firefox_without_its_h264_plug_in_watches_an_h264_stream(
    studio: Cluster, strangers: Strangers, stream: str, tmp_path: Path
) -> None:
    need(shutil.which("firefox-esr") and shutil.which("node"), "firefox-esr with node")
    publish = f"{studio.base}/LiveApp/publish.html?id={stream}&codec=H264&source=test&bitrate=600"
    async with strangers.open(url=publish) as publisher:
        await publisher.page.click("#start")
        assert "H264" in (await studio.live(stream)).codecs
        await until_renditions(studio, stream, "VP8")

        watch = f"{studio.base}/LiveApp/watch.html?id={stream}"
        async with firefox(watch, tmp_path) as observations, within(DEADLINE_S, "Firefox's picture"):
            seen = await until_seen(observations, await until_seen(observations, None))

    assert seen.connections[-1].video_codec == "video/VP8"


async def test_impossible_settings_are_refused_and_the_ladder_stays(studio: Cluster) -> None:
    refused = await posted(studio, {"encoderSettings": [{"height": 0, "videoBitrate": 1}]})
    assert (refused.status_code, refused.json()["success"]) == (200, False)
    assert "height is 0" in refused.text


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_viewers_of_a_lost_transcoder_go_on_seeing_and_get_the_rung_back(
    studio: Cluster, strangers: Strangers, stream: str, end: signal.Signals
) -> None:
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        viewer = await stack.enter_async_context(strangers.open())
        await publisher.call("sdkPublish", url=studio.websocket(), stream=stream)
        await until_renditions(studio, stream, "VP8")
        await viewer.call("sdkPlay", url=studio.websocket(), stream=stream)
        await viewer.until_watching()
        await viewer.call("sdkForce", stream=stream, height="180")
        await viewer.until(lambda seen: seen.picture.height == 180, "the rung is shown")
        made = (await viewer.observe()).made

        process = process_of(studio, owner := await until_encoded(studio, stream))
        stack.callback(kill, process)  # if it is frozen; `rillcast up` starts it again
        process.send_signal(end)

        still_s = await longest_still(viewer, height=180, frames=20)
        print(f"\nstill picture for {still_s:.1f} s")
        assert (await viewer.observe()).made == made
        await until_renditions(studio, stream, "VP8")
        frozen = owner if end == signal.SIGSTOP else ""
        taker = await until_encoded(studio, stream, but_not=frozen)  # a killed one is started anew, and may be as fast
        assert process_of(studio, taker).pid != process.pid
        await viewer.until(lambda seen: seen.picture.height == 180, "the rung is back")
        assert (await viewer.until_frames_go_on()).made == made


async def longest_still(viewer: Stranger, *, height: int, frames: int) -> float:
    """The longest time without a new picture until so many have come of another height than this."""
    loop = asyncio.get_running_loop()
    changed, longest, count = loop.time(), 0.0, (await viewer.observe()).frames_decoded
    since, deadline = math.inf, loop.time() + FALLBACK_S
    while count < since + frames:
        assert loop.time() < deadline, (
            f"{count - since} pictures of another height than {height}; the longest pause was {longest:.1f} s; "
            f"the last came {loop.time() - changed:.1f} s ago"
        )
        seen = await viewer.observe()
        now = loop.time()
        if seen.frames_decoded > count:
            longest, changed = max(longest, now - changed), now
        count = seen.frames_decoded
        if since == math.inf and seen.picture.height not in (0, height):
            since = count
        await asyncio.sleep(LOOK_S)
    return longest


async def until_encoded(studio: Cluster, stream: str, *, but_not: str = "") -> str:
    """The transcoder that has the stream's job, as soon as it encodes. What it encodes may be a rung of another test: a
    publisher that closed its page is remembered for half a minute."""

    async def encoding() -> tuple[str, float]:
        owner = owner_of(studio, stream)
        return owner, await encoders_of(studio, owner) if owner not in ("", but_not) else 0.0

    return (await until(encoding, lambda seen: seen[1] > 0, f"{stream} is encoded"))[0]


def owner_of(studio: Cluster, stream: str) -> str:
    """The transcoder that took the stream's job last, by the logs; empty if none did."""
    logs = (studio.folder / "run" / "logs").glob("transcoder-*.log")
    taken = [
        (line.split()[0], log.stem)
        for log in logs
        for line in log.read_text(errors="replace").splitlines()
        if "Media job taken" in line and f"stream=LiveApp/{stream} " in line
    ]
    return max(taken)[1] if taken else ""


async def encoders_of(studio: Cluster, node: str) -> float:
    """How many rungs it encodes."""
    try:
        return await studio.metric(node, "rillcast_transcoder_encoders")
    except (httpx.TransportError, StopIteration):
        return 0.0  # gone or frozen


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
