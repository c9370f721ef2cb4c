"""Media over what not every client has: IPv6 alone, AES in counter mode alone."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.aiortc_peers import AES_CM, having_only, offering_only, peer
from tests.e2e.cluster import Cluster, cluster, until
from tests.e2e.conftest import need
from tests.e2e.load import publishing
from tests.e2e.test_load import bench, result_of

LOOPBACK = "::1"


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, 0))
        except OSError:
            return False
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def six(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Clients and relays reach its nodes at ::1 only."""
    need(socket.has_ipv6 and has_ipv6(), "IPv6 in the kernel")
    settings = {"RILLCAST_ADVERTISE_ADDRESS": LOOPBACK, "RILLCAST_MEDIA_BIND": LOOPBACK}
    async with cluster(tmp_path_factory.mktemp("six"), settings=settings) as running:
        yield running
    assert running.tracebacks() == []


async def test_a_publisher_and_a_viewer_with_ipv6_alone(six: Cluster, stream: str) -> None:
    with having_only([LOOPBACK]):
        async with peer() as publisher, peer() as viewer:
            await publisher.publish(six.whip(stream, "live"))
            await six.live(stream)
            await viewer.watch(six.whep(stream, "live"))
            await viewer.until_watching()
            assert {publisher.remote_address, viewer.remote_address} == {LOOPBACK}


async def test_a_rung_and_every_packet_of_many_viewers_over_ipv6(six: Cluster, stream: str) -> None:
    rungs = {"streamId": stream, "encoderSettingsList": [{"height": 180, "videoBitrate": 300_000}]}
    await six.request("POST", f"{six.base}/live/rest/v2/broadcasts/create", json=rungs)
    async with publishing(six.whip(stream, "live")):
        await until(lambda: six.stream(stream), lambda s: s and 180 in s.renditions, "the rung is announced")
        viewers = await bench("viewers", six.whep(stream, "live"), "-n", "10", "--rate", "20", "--seconds", "3")
        found = await result_of(viewers)
    assert (found.connected, found.failures) == (10, {})
    assert (found.steady.lost, found.steady.bad_decrypts) == (0, 0)
    assert found.first_keyframe_ms.count == 10


async def test_publisher_and_viewer_with_aes_in_counter_mode_alone(rillcast: Cluster, stream: str) -> None:
    with offering_only(AES_CM):
        async with peer() as publisher, peer() as viewer:
            await publisher.publish(rillcast.whip(stream, "live"))
            await rillcast.live(stream)
            await viewer.watch(rillcast.whep(stream, "live"))
            await viewer.until_watching()
            assert (publisher.srtp_profile, viewer.srtp_profile) == (AES_CM, AES_CM)
