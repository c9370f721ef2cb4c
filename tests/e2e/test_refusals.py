"""What clients hear when something is wrong, and that nobody else is disturbed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from playwright.async_api import Error

from rillcast.cli.run_folder import RunFolder
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from tests.e2e.browser import Strangers
from tests.e2e.cluster import ROOT, Cluster
from tests.e2e.publishers import ffmpeg_whip, running

SDP = {"Content-Type": "application/sdp"}
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


async def test_whep_of_an_unknown_stream_is_404(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whep(stream), content=OFFER, headers=SDP)

    assert answer.status_code == 404
    assert stream in answer.text
    assert int(answer.headers["Retry-After"]) >= 1


async def test_an_unknown_app_is_404(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream, app="Nowhere"), content=OFFER, headers=SDP)

    assert answer.status_code == 404
    assert "Nowhere" in answer.text


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="no_sdp"),
        pytest.param(OFFER, id="no_media"),
        pytest.param(OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:oops\r\n", id="broken_rtpmap"),
        pytest.param(OFFER + AUDIO + "a=rtpmap:111 opus/0/2\r\n", id="clock_that_stands_still"),
        pytest.param(OFFER + AUDIO.replace("audio", "video") + "a=rtpmap:111 VP8/0\r\n", id="picture_without_clock"),
        pytest.param(OFFER + "m=" * 9_000, id="long_line"),
    ],
)
async def test_a_malformed_offer_is_400(rillcast: Cluster, stream: str, offer: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content=offer, headers=SDP)

    assert answer.status_code == 400, answer.text
    assert answer.text
    assert "Traceback" not in answer.text
    assert await rillcast.stream(stream) is None


async def test_an_offer_of_another_type_is_415(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content="{}", headers={"Content-Type": "text/json"})

    assert answer.status_code == 415


async def test_an_oversized_offer_is_413(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content="v=0" + "x" * 400_000, headers=SDP)

    assert answer.status_code == 413


async def test_a_second_publisher_with_other_credentials_is_409(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open(camera=True) as intruder:
        await publisher.call("whipPublish", url=rillcast.whip(stream), token="one")
        await rillcast.live(stream)

        with pytest.raises(Error, match="status 409"):
            await intruder.call("whipPublish", url=rillcast.whip(stream), token="two")

        before = await publisher.observe()
        assert before.first is not None
        sent = before.first.frames_sent
        await publisher.until(lambda seen: seen.first and seen.first.frames_sent > sent + 20, "the first one goes on")
        assert (await rillcast.live(stream)).media_flowing


async def test_whoever_looks_like_the_publisher_displaces_nobody(rillcast: Cluster, stream: str, source: Path) -> None:
    """The same address, the same User-Agent and no media at all, again and again."""
    offer = (ROOT / "tests/vectors/sdp/chromium-156-publish-h264.sdp").read_text()
    looks = SDP | {"User-Agent": ffmpegs_user_agent()}
    async with running(*ffmpeg_whip(source, rillcast.whip(stream)), log=source.parent / f"{stream}.log") as publisher:
        before = await rillcast.live(stream)
        for shown in ({}, {"Authorization": "Bearer whatever"}) * 3:
            answer = await rillcast.request("POST", rillcast.whip(stream), content=offer, headers=looks | shown)
            assert answer.status_code == 409, answer.text
        after = await rillcast.live(stream)

        assert publisher.returncode is None
        assert (after.origin, after.epoch, after.started_at_ms) == (before.origin, before.epoch, before.started_at_ms)


async def test_nobody_without_a_key_of_the_cluster_gets_into_its_bus(rillcast: Cluster) -> None:
    """Whoever reaches the port of NATS, as any user of the machine does."""
    run, port = RunFolder(rillcast.folder / "run"), rillcast.first_port + 1
    for authority, words in ((str(run.authority), "refused a user without credentials"), ("", "certificate|TLS")):
        settings = NodeSettings(nats_url=f"tls://127.0.0.1:{port}", connect_timeout_s=5, nats_ca=authority)
        with pytest.raises(StartError, match=words):
            await NatsConnection(settings, "stranger").open()


def ffmpegs_user_agent() -> str:
    """As it is sent by the ffmpeg of these tests."""
    version = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, text=True, check=True)
    lavf = re.findall(r"libavformat +(\d+)\. *(\d+)\. *(\d+)", version.stdout)[0]
    return f"Lavf/{'.'.join(lavf)}"
