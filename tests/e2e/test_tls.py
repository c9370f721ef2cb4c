"""A cluster with a certificate, reached from another machine: at an address that is not loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import trustme

from rillcast.runtime.process.address import local_address
from rillcast.testing.servers import free_port
from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.conftest import need


@dataclass(frozen=True)
class Encrypted:
    cluster: Cluster
    plain: str
    """Where the plain port is reached from other machines."""
    base: str
    """Where the port with TLS is."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def encrypted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Encrypted]:
    address, port, folder = local_address(), free_port(), tmp_path_factory.mktemp("encrypted")
    need(not address.startswith("127."), "address that is not loopback")
    certificate = trustme.CA().issue_cert(address)
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    settings = {
        "RILLCAST_SIGNALING_TLS_PORT": str(port),
        "RILLCAST_SIGNALING_TLS_CERTIFICATE": str(folder / "cert.pem"),
        "RILLCAST_SIGNALING_TLS_KEY": str(folder / "cert.pem"),
    }
    async with cluster(folder, settings=settings) as running:
        yield Encrypted(running, f"http://{address}:{running.first_port}", f"https://{address}:{port}")
    assert running.tracebacks() == []


async def test_a_visitor_of_the_plain_port_publishes_the_camera_by_tls(
    encrypted: Encrypted, strangers: Strangers, stream: str
) -> None:
    """Browsers give a camera to pages by https only, and such pages may open nothing but wss."""
    publish = f"{encrypted.plain}/LiveApp/publish.html?id={stream}&source=camera"
    watch = f"{encrypted.plain}/LiveApp/watch.html?id={stream}"
    async with strangers.open(camera=True, url=publish) as publisher, strangers.open(url=watch) as viewer:
        assert publisher.page.url.startswith(encrypted.base)
        assert await publisher.page.evaluate("isSecureContext")
        await publisher.page.click("#start")
        await publisher.page.wait_for_selector("body[data-state=live]")
        await viewer.page.wait_for_selector("body[data-state=live]")
        await viewer.page.evaluate("document.getElementById('video').muted = false")
        await viewer.until_watching()


async def test_the_sdk_publishes_and_plays_by_wss(encrypted: Encrypted, strangers: Strangers, stream: str) -> None:
    socket = f"{encrypted.base.replace('https', 'wss')}/LiveApp/websocket"
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=socket, stream=stream)
        await publisher.until_heard("publish_started")
        await viewer.call("sdkPlay", url=socket, stream=stream)
        await viewer.until_watching()
