"""A publisher or a viewer gets another address in the middle of a stream, as on another Wi-Fi, or has no network for a
while: the stream goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from rillcast.runtime.process.address import local_address
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.conftest import need
from tests.e2e.roaming import Roamer, can_roam, roamer


@pytest_asyncio.fixture(loop_scope="session")
async def phone(driver: Playwright, strangers: Strangers, tmp_path: Path) -> AsyncIterator[Roamer]:
    need(can_roam(), "root with ip, nft and ss, to make a network")
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


@pytest.mark.parametrize("lost", ["publisher", "viewer"])
async def test_a_phone_whose_network_was_dead_for_a_while_goes_on_by_asking_again_on_its_socket(
    rillcast: Cluster, strangers: Strangers, stream: str, phone: Roamer, lost: str
) -> None:
    """The SDKs for iOS and Android ask again in another peer connection, on the socket that lives, when they have
    noticed. No goodbye and no end of a connection comes here."""
    does = {"publisher": "publish", "viewer": "play"}[lost]
    async with phone.page() as there, strangers.open(camera=lost == "viewer") as here:
        first, then = (there, here) if lost == "publisher" else (here, there)
        await first.call("mobile", url=socket(rillcast), stream=stream, does="publish")
        live = await rillcast.live(stream)
        await then.call("mobile", url=socket(rillcast), stream=stream, does="play")
        await then.until_watching()
        stays = await here.observe()

        async with phone.dead():
            await is_cut_off(there)
            await there.page.evaluate("again()")

        done = {"publish": "publish_started", "play": "play_started"}[does]
        seen = await there.until(lambda now: sum(name == done for _, name, _ in now.events) == 2, f"{done} again")
        assert not any(kind == "error" for kind, _, _ in seen.events)
        await then.until_frames_go_on()
        assert (await here.observe()).made == stays.made, "whoever stayed keeps its peer connection"
        assert not (await here.observe()).heard("play_finished")
        assert (await rillcast.live(stream)).epoch == live.epoch
        await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == 1, "one viewer counted")
