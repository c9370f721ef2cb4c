"""Publishers and viewers behind a firewall that lets no UDP through: by ICE over TCP, and by TURN over TLS."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Playwright

from rillcast.testing.eventually import within
from tests.chaos.network import HERE, Network, missing, network
from tests.deploy.coturn import Turn, is_installed, turn_server
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, cluster, until
from tests.e2e.conftest import need
from tests.e2e.elsewhere import Elsewhere, browser_elsewhere
from tests.e2e.test_firefox import DEADLINE_S, firefox, until_seen

APP = "LiveApp"
PAGES = f"http://{HERE}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office() -> AsyncIterator[Network]:
    """One machine, and nothing but TCP between it and this one."""
    need(not missing(), missing() or "network")
    need(shutil.which("nft"), "nft")
    async with network(["office"]) as made:
        await made.drop_udp()
        yield made


@dataclass(frozen=True)
class People:
    """Two browsers in the office."""

    publisher: Elsewhere
    viewer: Elsewhere


@asynccontextmanager
async def people(
    driver: Playwright, folder: Path, office: Network, site: str, flags: Sequence[str] = ()
) -> AsyncIterator[People]:
    """A publisher with a camera, and a viewer who gave no permission, so that its addresses are hidden."""
    inside = office["office"].inside()
    reached = f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost , EXCLUDE {HERE}"
    async with AsyncExitStack() as stack:
        made = []
        for camera in (True, False):
            there = browser_elsewhere(driver, folder, inside, camera=camera, pages=PAGES, flags=[reached, *flags])
            made.append(Elsewhere(await stack.enter_async_context(there), site, PAGES))
        yield People(*made)


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[Cluster]:
    """A cluster whose media is reached at this machine's end of the office's network."""
    where = {"RILLCAST_ADVERTISE_MEDIA_ADDRESSES": HERE}
    async with cluster(folder, settings=where | settings) as running:
        yield running
    assert running.tracebacks() == []


def at(running: Cluster, kind: str, stream: str) -> str:
    return f"http://{HERE}:{running.first_port}/{APP}/{kind}/{stream}"


def socket(running: Cluster) -> str:
    return f"ws://{HERE}:{running.first_port}/{APP}/websocket"


async def transport(page: Stranger) -> str:
    first = (await page.observe()).first
    return first.transport if first is not None else ""


async def goes_by(page: Stranger, wanted: str) -> None:
    """Statistics name the pair in use some time after it is."""
    await until(lambda: transport(page), lambda by: by == wanted, f"the page sends by {wanted}")


async def come_by_tcp(running: Cluster, node: str, least: int) -> None:
    """A worker tells how many they are once in a second."""
    name = "rillcast_plane_tcp_connections{worker=0}"
    await until(lambda: running.metric(node, name), lambda count: count >= least, f"{node} has clients by TCP")


async def test_by_ice_over_tcp_whip_publishes_and_whep_and_the_sdk_watch(
    driver: Playwright, strangers: Strangers, office: Network, tmp_path: Path, stream: str
) -> None:
    async with (
        serving(tmp_path, RILLCAST_ICE_TCP_CONNECTIONS="100") as running,
        people(driver, tmp_path, office, strangers.site) as there,
        there.publisher.page() as publisher,
        there.viewer.page() as by_whep,
        there.viewer.page() as by_sdk,
    ):
        await publisher.call("whipPublish", url=at(running, "whip", stream))
        await running.live(stream)
        await by_whep.call("whepPlay", url=at(running, "whep", stream))
        await by_sdk.call("sdkPlay", url=socket(running), stream=stream)

        for viewer in (by_whep, by_sdk):
            await viewer.until_watching()
        for page in (publisher, by_whep, by_sdk):
            await goes_by(page, "tcp")
        await come_by_tcp(running, "origin-1", 1)
        await come_by_tcp(running, "edge-1", 2)
        assert await office.dropped_udp() > 0


async def test_the_sdk_publishes_by_ice_over_tcp(
    driver: Playwright, strangers: Strangers, office: Network, tmp_path: Path, stream: str
) -> None:
    async with (
        serving(tmp_path, RILLCAST_ICE_TCP_CONNECTIONS="100") as running,
        people(driver, tmp_path, office, strangers.site) as there,
        there.publisher.page() as publisher,
        strangers.open() as viewer,
    ):
        await publisher.call("sdkPublish", url=socket(running), stream=stream)
        await running.live(stream)
        await viewer.call("sdkPlay", url=running.websocket(), stream=stream)

        await viewer.until_watching()
        await goes_by(publisher, "tcp")
        await goes_by(viewer, "udp")


async def test_firefox_watches_by_ice_over_tcp(
    strangers: Strangers, office: Network, tmp_path: Path, stream: str
) -> None:
    need(shutil.which("firefox-esr") and shutil.which("node"), "firefox-esr with node")
    async with (
        serving(tmp_path, RILLCAST_ICE_TCP_CONNECTIONS="100") as running,
        strangers.open(url=f"{running.base}/{APP}/publish.html?id={stream}&codec=VP8&source=test") as publisher,
    ):
        await publisher.page.click("#start")
        await running.live(stream)
        watch = f"http://{HERE}:{running.first_port}/{APP}/watch.html?id={stream}"
        inside = office["office"].inside()
        async with firefox(watch, tmp_path, inside) as observations, within(DEADLINE_S, "Firefox's picture"):
            seen = await until_seen(observations, await until_seen(observations, None))
            await come_by_tcp(running, "edge-1", 1)
        assert seen.connections[-1].video_codec == "video/VP8"
        assert seen.connections[-1].audio_packets > 0
        assert await office.dropped_udp() > 0


def trusting(turn: Turn) -> str:
    """The flag by which Chromium takes the certificate that the TURN server made for itself."""
    key = x509.load_pem_x509_certificate(turn.certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"


async def tell(running: Cluster, app: str, uri: str, turn: Turn) -> None:
    """Sets an app's TURN server, as operators do."""
    told = {"stunServerURI": uri, "turnSecret": turn.secret}
    answer = await running.request("POST", f"{running.base}/rest/v2/applications/settings/{app}", json=told)
    assert answer.json()["success"], answer.text


async def test_by_turn_over_tls_whip_publishes_and_whep_watches(
    driver: Playwright, strangers: Strangers, office: Network, tmp_path: Path, stream: str
) -> None:
    need(is_installed(), "coturn")
    (tmp_path / "turn").mkdir()
    async with (
        turn_server(tmp_path / "turn", HERE) as turn,
        serving(tmp_path) as running,
        people(driver, tmp_path, office, strangers.site, [trusting(turn)]) as there,
        there.publisher.page() as publisher,
        there.viewer.page() as viewer,
    ):
        await tell(running, APP, f"turns:{HERE}:{turn.tls}?transport=tcp", turn)

        await publisher.call("whipPublish", url=at(running, "whip", stream))
        await running.live(stream)
        await viewer.call("whepPlay", url=at(running, "whep", stream))

        await viewer.until_watching()
        for page in (publisher, viewer):
            await goes_by(page, "tls")
        assert await office.dropped_udp() > 0


async def test_by_turn_over_tcp_at_the_port_of_tls_the_sdk_publishes_and_watches(
    driver: Playwright, strangers: Strangers, office: Network, tmp_path: Path, stream: str
) -> None:
    """Ant Media's SDK passes over an address that begins with ``turns:``."""
    need(is_installed(), "coturn")
    (tmp_path / "turn").mkdir()
    async with (
        turn_server(tmp_path / "turn", HERE) as turn,
        serving(tmp_path) as running,
        people(driver, tmp_path, office, strangers.site) as there,
        there.publisher.page() as publisher,
        there.viewer.page() as viewer,
    ):
        await tell(running, APP, f"turn:{HERE}:{turn.tls}?transport=tcp", turn)

        await publisher.call("sdkPublish", url=socket(running), stream=stream, asks="yes")
        await running.live(stream)
        await viewer.call("sdkPlay", url=socket(running), stream=stream, asks="yes")

        await viewer.until_watching()
        for page in (publisher, viewer):
            await goes_by(page, "tcp")
