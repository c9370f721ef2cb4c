"""Firefox, another WebRTC stack with other habits: it watches VP8 from the built-in page."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from rillcast.testing.eventually import within
from tests.e2e.browser import OBSERVE, Observation, Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import HERE, need

DEADLINE_S = 80.0
END_TIMEOUT_S = 10.0
LINE_BYTES = 1 << 20


async def test_firefox_watches_vp8(rillcast: Cluster, strangers: Strangers, stream: str, tmp_path: Path) -> None:
    need(shutil.which("firefox-esr") and shutil.which("node"), "firefox-esr with node")
    publish = f"{rillcast.base}/LiveApp/publish.html?id={stream}&codec=VP8&source=test&bitrate=600"
    async with strangers.open(url=publish) as publisher:
        await publisher.page.click("#start")
        await rillcast.live(stream)

        watch = f"{rillcast.base}/LiveApp/watch.html?id={stream}"
        async with firefox(watch, tmp_path) as observations, within(DEADLINE_S, "Firefox's picture"):
            first = await until_seen(observations, None)
            seen = await until_seen(observations, first)

    connection = seen.connections[-1]
    assert connection.video_codec == "video/VP8"
    assert connection.audio_packets > 0
    assert connection.frames_decoded > first.frames_decoded
    assert seen.made == first.made


@asynccontextmanager
async def firefox(url: str, folder: Path, inside: Sequence[str] = ()) -> AsyncIterator[asyncio.StreamReader]:
    """Its observations, a JSON line each. `inside`: a command that runs another one in another network."""
    with (folder / "firefox.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(*inside, "node", "firefox_watch.mjs", url, str(OBSERVE)),
            cwd=HERE,
            env={**os.environ, "HOME": str(folder)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LINE_BYTES,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.stdout.read()
                await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def until_seen(lines: asyncio.StreamReader, before: Observation | None) -> Observation:
    """The next observation with a picture that, given an earlier one, has moved on."""
    async for line in lines:
        seen = msgspec.json.decode(line, type=Observation)
        if seen.frames_decoded and seen.picture.shows_something():
            if before is None:
                return seen
            if seen.frames_decoded > before.frames_decoded + 20 and seen.picture.differs_from(before.picture):
                return seen
    raise AssertionError("Firefox ended before it showed the picture")
