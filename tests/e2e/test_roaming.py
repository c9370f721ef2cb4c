"""A publisher or a viewer gets another address in the middle of a stream, as on another Wi-Fi: the stream goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from rillcast.runtime.process.address import local_address
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import need
from tests.e2e.roaming import Roamer, can_roam, roamer


@pytest_asyncio.fixture(loop_scope="session")
async def phone(driver: Playwright, strangers: Strangers, tmp_path: Path) -> AsyncIterator[Roamer]:
    need(can_roam(), "root with ip, to make a network")
    async with roamer(driver, tmp_path, strangers.site) as made:
        yield made


async def is_cut_off(page: Stranger) -> None:
    """The browser has noticed. It gathers no other candidates by itself: that takes an ICE restart by the page."""
    await page.until(lambda seen: seen.first and seen.first.state in {"disconnected", "failed"}, "the way is lost")


def whip(rillcast: Cluster, kind: str, stream: str) -> str:
    return f"http://{local_address()}:{rillcast.first_port}/LiveApp/{kind}/{stream}"


def socket(rillcast: Cluster) -> str:
    return f"ws://{local_address()}:{rillcast.first_port}/LiveApp/websocket"


async def test_a_publisher_by_whip_goes_on_from_another_address_by_an_ice_restart(
    rillcast: Cluster, strangers: Strangers, stream: str, phone: Roamer
) -> None:
    async with phone.page() as publisher, strangers.open() as viewer:
        await publisher.call("whipPublish", url=whip(rillcast, "whip", stream))
        live = await rillcast.live(stream)
        await viewer.call("whepPlay", url=rillcast.whep(stream))
        await viewer.until_watching()

        await phone.change_address()
        await is_cut_off(publisher)
        await publisher.call("whipRestart")
        await viewer.until_frames_go_on()

        assert ((await publisher.observe()).made, (await viewer.observe()).made) == (1, 1)
        assert (await rillcast.live(stream)).epoch == live.epoch


async def test_a_viewer_by_whep_goes_on_at_another_address_by_an_ice_restart(
    rillcast: Cluster, strangers: Strangers, stream: str, phone: Roamer
) -> None:
    async with strangers.open(camera=True) as publisher, phone.page() as viewer:
        await publisher.call("whipPublish", url=rillcast.whip(stream))
        await rillcast.live(stream)
        await viewer.call("whepPlay", url=whip(rillcast, "whep", stream))
        await viewer.until_watching()

        await phone.change_address()
        await is_cut_off(viewer)
        await viewer.call("whepRestart")
        assert (await viewer.until_frames_go_on()).made == 1


@pytest.mark.parametrize("roams", ["publisher", "viewer"])
async def test_a_page_with_the_sdk_goes_on_at_another_address(
    rillcast: Cluster, strangers: Strangers, stream: str, phone: Roamer, roams: str
) -> None:
    """The SDK publishes or plays anew when its socket is gone. Nobody is refused because of it."""
    moving = roams == "publisher"
    async with phone.page() as there, strangers.open(camera=not moving) as here:
        publisher, viewer = (there, here) if moving else (here, there)
        await publisher.call("sdkPublish", url=socket(rillcast), stream=stream)
        live = await rillcast.live(stream)
        await viewer.call("sdkPlay", url=socket(rillcast), stream=stream)
        await viewer.until_watching()
        before = await here.observe()

        await phone.change_address()

        await viewer.until_frames_go_on()
        assert (await here.observe()).made == before.made, "whoever stays where it was keeps its peer connection"
        said = {name for kind, name, _ in (await there.observe()).events if kind == "error"}
        assert said <= {"WebSocketNotConnected"}
        assert (await rillcast.live(stream)).epoch == live.epoch
