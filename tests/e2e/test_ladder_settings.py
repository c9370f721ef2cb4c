"""Rungs that are set for one broadcast by REST."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.e2e.cluster import Cluster, until

RUNGS = [{"height": 360, "videoBitrate": 600_000}, {"height": 180, "videoBitrate": 200_000}]
END_TIMEOUT_S = 10.0


@asynccontextmanager
async def generated_publisher(url: str) -> AsyncIterator[None]:
    """H.264 720p without an encoder's cost, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "bench", "publish", url, "--bitrate", "300000", "--seconds", "80"),
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(END_TIMEOUT_S):
            await process.communicate()


async def until_heights(rillcast: Cluster, stream: str, *heights: int) -> None:
    await until(
        lambda: rillcast.stream(stream),
        lambda entry: entry and entry.renditions == heights,
        f"renditions of the heights {heights}",
    )


async def test_rungs_of_a_broadcast_come_and_go_while_it_is_live(rillcast: Cluster, stream: str) -> None:
    url = f"{rillcast.base}/live/rest/v2/broadcasts/{stream}"
    async with generated_publisher(rillcast.whip(stream, "live")):
        await until_heights(rillcast, stream, 720)

        changed = await rillcast.request("PUT", url, json={"encoderSettingsList": RUNGS})
        assert changed.json()["success"] is True
        await until_heights(rillcast, stream, 720, 360, 180)
        shown = (await rillcast.request("GET", url)).json()
        assert [rung["height"] for rung in shown["encoderSettingsList"]] == [360, 180]
        listed = (await rillcast.request("GET", f"{url}/stream-info")).json()
        assert [one["videoHeight"] for one in listed] == [720, 360, 180]

        refused = await rillcast.request("PUT", url, json={"encoderSettingsList": [{"height": 0, "videoBitrate": 1}]})
        assert (refused.status_code, "height is 0" in refused.text) == (400, True)
        await rillcast.request("PUT", url, json={"encoderSettingsList": RUNGS[1:]})
        await until_heights(rillcast, stream, 720, 180)

        await rillcast.request("PUT", url, json={"encoderSettingsList": []})
        await until_heights(rillcast, stream, 720)

        stopped = (await rillcast.request("DELETE", url)).json()
        assert stopped["message"] == "broadcast is deleted and stopped successfully"
        await until(lambda: rillcast.stream(stream), lambda entry: entry is None, "the stream was stopped")
