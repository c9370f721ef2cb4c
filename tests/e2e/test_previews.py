"""Small pictures of streams that browsers publish, in the console, while transcoders come and go."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import av
import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import CONDITION_TIMEOUT_S, Cluster, cluster, process_of, until
from tests.e2e.console import account, at, console_of

TIMEOUT_MS = CONDITION_TIMEOUT_S * 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filming(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two transcoders, which make pictures as often as somebody looks."""
    async with cluster(tmp_path_factory.mktemp("filming"), transcoders=2) as running:
        yield running


async def picture(running: Cluster, stream: str, app: str = "LiveApp") -> httpx.Response:
    return await running.request("GET", f"{running.base}/rillcast/v1/apps/{app}/streams/{stream}/preview")


def is_lively(jpeg: bytes) -> bool:
    """Whether it is a picture of something: Chromium's camera shows a green field with a pie and a clock."""
    with av.open(io.BytesIO(jpeg), mode="r", format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    assert max(frame.width, frame.height) == 320
    return float(frame.reformat(format="gray").to_ndarray().std()) > 5.0


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_each_codec_of_a_browser_has_a_picture(
    filming: Cluster, strangers: Strangers, stream: str, codec: str
) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.publish_when_free(filming.whip(stream), codec)
        await filming.live(stream)
        found = await until(lambda: picture(filming, stream), lambda answer: answer.status_code == 200, "a picture")
        assert found.headers["content-type"] == "image/jpeg"
        assert is_lively(found.content)
        assert len(found.content) < 65_536


async def test_a_console_shows_pictures_and_says_why_there_is_none(
    filming: Cluster, strangers: Strangers, stream: str
) -> None:
    operator = await account(filming, role="READ_ONLY")
    async with strangers.open(camera=True) as publisher, console_of(filming, strangers) as console:
        page = console.page
        await publisher.call("sdkPublish", url=filming.websocket(), stream=stream)
        await filming.live(stream)
        await console.enter(operator)
        await console.go(f"/streams?q={stream}", "Streams")
        image = page.locator("#view tbody .preview img")
        await expect(image).to_be_visible(timeout=TIMEOUT_MS)
        await expect(image).to_have_attribute("alt", f"Picture of {stream}")
        assert await image.evaluate("(one) => one.naturalWidth") == 320
        assert await console.faults() == []
        await console.go(at("streams", "LiveApp", stream))
        await expect(page.locator("#view figure img")).to_be_visible(timeout=TIMEOUT_MS)
        assert await console.faults() == []
        frame = page.locator("#view figure .preview")
        size = await frame.bounding_box()

        await page.route("**/preview", lambda route: route.fulfill(status=422, json={"message": "no such codec"}))
        await console.go("/streams", "Streams")
        await console.go(at("streams", "LiveApp", stream))
        await expect(page.locator("#view figcaption")).to_have_text("No picture: no such codec.", timeout=TIMEOUT_MS)
        await expect(page.locator("#view figure img")).to_be_hidden()
        empty = await frame.bounding_box()
        assert size is not None
        assert empty is not None
        assert (empty["width"], empty["height"]) == (size["width"], size["height"])
        assert await console.faults() == []


async def test_pictures_go_on_when_transcoders_die_and_cost_nothing_when_nobody_looks(
    filming: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.call("sdkPublish", url=filming.websocket(), stream=stream)
        await filming.live(stream)
        await until(lambda: picture(filming, stream), lambda answer: answer.status_code == 200, "a picture")
        for node in ("transcoder-1", "transcoder-2"):
            await filming.another_is_ready(node)
            process_of(filming, node).kill()
            found = await until(lambda: picture(filming, stream), lambda a: a.status_code == 200, "a picture again")
            assert is_lively(found.content)
        (owner,) = [one.origin for one in (await filming.status()).streams if one.stream == stream]

        async def relays() -> float:
            return await filming.metric(owner, "rillcast_origin_relays")

        await until(relays, lambda many: many == 0, "that nobody takes the stream")
