"""The load generator against the real cluster: its own publisher watched over WHEP and over the Ant Media WebSocket."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import msgspec

from rillcast.load.run import Result
from rillcast.testing.eventually import within
from tests.e2e.cluster import Cluster, until
from tests.e2e.load import publishing


async def bench(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rillcast.cli", "bench", *arguments, "--json", stdout=PIPE
    )


async def result_of(process: asyncio.subprocess.Process) -> Result:
    async with within(60, "the result of the load"):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(out, type=Result)


async def test_generated_viewers_get_every_packet_of_a_generated_publisher(rillcast: Cluster, stream: str) -> None:
    async with publishing(rillcast.whip(stream, "live"), "--stamp"):
        await rillcast.live(stream)
        whep = await bench("viewers", rillcast.whep(stream, "live"), "-n", "20", "--rate", "20", "--seconds", "3")
        websocket = await bench(
            "viewers", rillcast.websocket("live"), "--stream", stream, "-n", "10", "--rate", "20", "--seconds", "3"
        )
        for process, count in ((whep, 20), (websocket, 10)):
            found = await result_of(process)
            assert (found.connected, found.failures) == (count, {})
            assert found.first_keyframe_ms.count == count
            assert (found.steady.lost, found.steady.bad_decrypts) == (0, 0)
            assert found.steady.latency.count > 0
            assert all("AEAD_AES_128_GCM" in n for n in found.negotiated)


async def test_a_generated_publisher_says_what_it_has_sent(rillcast: Cluster, stream: str) -> None:
    sent = await result_of(await bench("publish", rillcast.whip(stream, "live"), "--seconds", "1"))
    assert sent.connected == 1
    assert sent.steady.sent_packets > 0


async def test_viewers_behind_links_are_shown_what_fits_and_the_others_everything(
    rillcast: Cluster, stream: str
) -> None:
    async with publishing(rillcast.whip(stream, "live"), "--simulcast"):
        await until(
            lambda: rillcast.stream(stream), lambda found: found and found.renditions == (720, 360, 180), "three layers"
        )
        watching = await bench(
            *("viewers", rillcast.whep(stream, "live"), "-n", "4", "--rate", "20", "--seconds", "12"),
            *("--limit", "400k,none"),
        )
        found = await result_of(watching)
    slow, free = found.links
    assert (found.connected, slow.name, slow.viewers, free.name, free.viewers) == (4, "400k", 2, "none", 2)
    assert (free.video_lost, free.audio_lost, free.queue_drops, found.steady.bad_decrypts) == (0, 0, 0, 0)
    assert set(slow.heights) & {"180", "360"}
    assert all(pictures[-1][1] == 720 for pictures in free.pictures)


async def test_a_stream_that_is_not_there_is_said_in_one_line(rillcast: Cluster) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rillcast.cli",
        "bench",
        "viewers",
        f"{rillcast.base}/live/whep/nobody",
        "-n",
        "1",
        stderr=PIPE,
    )
    async with within(30, "the end of a load without a stream"):
        _, error = await process.communicate()
    assert process.returncode == 1
    assert b"404" in error
    assert b"Traceback" not in error
