"""Temporal layers under a real browser: a link that gets slow takes frames away, nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.bench import abr
from tests.bench.impairment import Shape, impaired_link
from tests.e2e.browser import CAMERA
from tests.e2e.cluster import Cluster, until
from tests.e2e.conftest import need

WIDE, NARROW = Shape(rate_bps=3_000_000, delay_ms=20), Shape(rate_bps=650_000, delay_ms=20)
PUBLISH = """async ({ url, width }) => {
  const video = { width, height: (width * 9) / 16, frameRate: 30 };
  const media = await navigator.mediaDevices.getUserMedia({ video, audio: true });
  const pc = (window.publisher = new RTCPeerConnection());
  const encoding = { maxBitrate: 1_000_000, scalabilityMode: "L1T3" };
  const sender = pc.addTransceiver(media.getVideoTracks()[0], { direction: "sendonly", sendEncodings: [encoding] });
  const codecs = RTCRtpSender.getCapabilities("video").codecs;
  sender.setCodecPreferences(codecs.filter(({ mimeType }) => ["video/VP8", "video/rtx"].includes(mimeType)));
  pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendonly" });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
  const headers = { "Content-Type": "application/sdp" };
  const answer = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}"""


def rate(samples: list[abr.Sample], seconds: float) -> float:
    """Frames per second of the last seconds."""
    since = [sample for sample in samples if sample.at_ms >= samples[-1].at_ms - seconds * 1_000]
    return (since[-1].frames - since[0].frames) * 1_000 / max(1.0, since[-1].at_ms - since[0].at_ms)


async def changes(rillcast: Cluster, direction: str) -> float:
    """Of temporal layers, at all edges."""
    name = f"rillcast_edge_layer_changes_total{{direction={direction}}}"
    return sum([await rillcast.metric(edge, name) for edge in ("edge-1", "edge-2")])


@pytest.mark.timeout(300)
async def test_a_slow_link_gets_fewer_frames_of_the_same_picture_and_all_of_them_again(
    rillcast: Cluster, driver: Playwright, stream: str, tmp_path: Path
) -> None:
    need(os.geteuid() == 0 and os.access("/dev/net/tun", os.W_OK), "root and /dev/net/tun")
    server = abr.own_address()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(impaired_link(WIDE, server=server))
        camera = f"--use-file-for-fake-video-capture={await abr.make_picture(tmp_path)}"
        sender = await stack.enter_async_context(abr.browser(driver, *abr.flags(server), *CAMERA, camera))
        publisher = await sender.new_page()
        await publisher.goto(rillcast.base)
        await publisher.evaluate(PUBLISH, {"url": rillcast.whip(stream), "width": 640})
        await rillcast.live(stream)
        before = {direction: await changes(rillcast, direction) for direction in ("down", "up")}
        behind = abr.browser(driver, *abr.flags(server), executable=abr.wrapper(tmp_path, link))
        page = await (await stack.enter_async_context(behind)).new_page()
        await page.add_init_script(path=abr.HERE / "viewer_log.js")
        await page.goto(f"http://{server}:{rillcast.first_port}/LiveApp/watch.html?id={stream}")

        async def seen(good: Callable[[list[abr.Sample]], object], what: str) -> abr.Sample:
            async def ask() -> list[abr.Sample]:
                return (await abr.log_of(page)).samples

            return (await until(ask, good, what, 60))[-1]

        full = await seen(lambda s: len(s) > 50 and rate(s, 4) > 20, "every frame is seen")
        link.shape(NARROW)
        thin = await seen(lambda s: rate(s, 4) < rate(s[: len(s) - 50], 4) * 0.7 and rate(s, 4) > 3, "fewer frames")
        held = await seen(lambda s: s[-1].at_ms > thin.at_ms + 8_000, "eight seconds")
        link.shape(WIDE)
        again = await seen(lambda s: rate(s, 4) > 20, "every frame again")

        frames = (held.frames - thin.frames) / (held.at_ms - thin.at_ms) * 1_000
        print(
            f"\nfps {frames:.1f} while thin, keyframes {full.keyframes} {thin.keyframes} {held.keyframes} "
            f"{again.keyframes}, PLI {full.plis} {thin.plis} {held.plis} {again.plis}"
        )
        assert 3 < frames < 20
        assert held.height == full.height
        assert held.plis - thin.plis <= 1
        assert held.keyframes - thin.keyframes <= 8
        for direction, count in before.items():
            assert await changes(rillcast, direction) > count, direction
        assert again.plis - held.plis <= 1
