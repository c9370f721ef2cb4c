"""The built-in pages, used as a visitor uses them."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.protected_app import APP, protected

ICE_SERVERS = "rillcastIceServers()"
"""With which the newest connection of a page was made."""


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
async def test_the_test_picture_goes_from_page_to_page(
    rillcast: Cluster, strangers: Strangers, stream: str, codec: str
) -> None:
    publish = f"{rillcast.base}/LiveApp/publish.html?id={stream}&codec={codec}&source=test&bitrate=600"
    watch = f"{rillcast.base}/LiveApp/watch.html?id={stream}"
    async with strangers.open(url=publish) as publisher, strangers.open(url=watch) as viewer:
        await viewer.page.wait_for_selector("body[data-state=waiting]")
        await publisher.page.click("#start")
        await publisher.page.wait_for_selector("body[data-state=live]")

        await viewer.page.wait_for_selector("body[data-state=live]")
        await viewer.page.evaluate("document.getElementById('video').muted = false")
        seen = await viewer.until_watching()

        assert seen.first is not None
        assert seen.first.video_codec == f"video/{codec}"
        assert seen.picture.width > seen.picture.height

        await publisher.page.click("#stop")
        await viewer.page.wait_for_selector("body[data-state=waiting]")


async def test_the_watching_page_reports_its_first_picture_and_how_long_it_was_watched(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async def reported(name: str) -> float:
        return await rillcast.metric("signaling-1", f"rillcast_signaling_player_{name}")

    pictures, watched = "first_frame_seconds_count", "watch_seconds_total{protocol=webrtc}"
    publish = f"{rillcast.base}/LiveApp/publish.html?id={stream}&source=test&bitrate=600"
    before = await reported(pictures), await reported(watched)
    async with strangers.open(url=publish) as publisher:
        await publisher.page.click("#start")
        await publisher.page.wait_for_selector("body[data-state=live]")
        async with strangers.open(url=f"{rillcast.base}/LiveApp/watch.html?id={stream}") as viewer:
            await viewer.page.wait_for_selector("body[data-state=live]")
            await until(lambda: reported(pictures), lambda count: count == before[0] + 1, "the report of a picture")
            await viewer.page.wait_for_selector("[data-figure='Round trip']")
            await viewer.page.goto("about:blank")
        await until(lambda: reported(watched), lambda seconds: seconds > before[1], "the report of the time")


async def test_the_pages_use_the_turn_server_of_the_app(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    """That a browser asks it is not seen here: on loopback it is connected before it comes to its relays."""
    server = {"urls": ["turn:192.0.2.99:3478"], "username": "north", "credential": "star"}
    turn = {"stunServerURI": server["urls"][0], "turnServerUsername": "north", "turnServerCredential": "star"}
    page = f"{rillcast.base}/{APP}/{{}}?id={stream}&source=test"
    async with protected(rillcast, **turn), strangers.open(url=page.format("publish.html")) as publisher:
        await publisher.page.click("#start")
        await publisher.page.wait_for_selector("body[data-state=live]")
        async with strangers.open(url=page.format("watch.html")) as viewer:
            await viewer.page.wait_for_selector("body[data-state=live]")

            assert await viewer.page.evaluate(ICE_SERVERS) == [server]
        assert await publisher.page.evaluate(ICE_SERVERS) == [server]


async def test_the_start_page_leads_to_both_pages(rillcast: Cluster, strangers: Strangers) -> None:
    async with strangers.open(url=rillcast.base) as visitor:
        page = visitor.page
        outside = []
        page.on("request", lambda request: outside.append(request.url))
        await page.click("a[href*='publish.html'] >> nth=0")
        await page.wait_for_selector("#start")
        await page.click("nav a[data-page='watch.html']")
        await page.wait_for_selector("#form")

        assert outside
        assert all(url.startswith((rillcast.base, "data:", "blob:")) for url in outside)


@pytest.mark.parametrize(
    ("address", "app"),
    [
        ("/", "live"),
        ("/?app=LiveApp", "LiveApp"),
        ("/?app=no%20app", "live"),
        ("/WebRTCAppEE/", "WebRTCAppEE"),
        ("/LiveApp/?app=live", "LiveApp"),
        ("/LiveApp/publish.html?app=live", "LiveApp"),
    ],
)
async def test_the_address_decides_the_app_and_live_is_the_default(
    rillcast: Cluster, strangers: Strangers, address: str, app: str
) -> None:
    async with strangers.open(url=rillcast.base + address) as visitor:
        link = visitor.page.locator("nav a[data-page='watch.html']")
        await visitor.page.wait_for_function(f"document.querySelector('[name=app], #app').value === '{app}'")
        assert await link.get_attribute("href") == f"{rillcast.base}/{app}/watch.html"
