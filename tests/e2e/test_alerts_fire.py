"""Alerts at a real Prometheus that reads a real cluster: the fault is made, they fire; it is undone, they stop. The
rules are those of users, and only their durations are shortened."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rillcast.licensing.document import License, issue_license
from tests.e2e.cluster import Cluster, cluster, process_of
from tests.e2e.load import publishing, seen, started, viewers
from tests.e2e.prometheus import LAPSE, Prometheus, prometheus, shortened
from tests.e2e.test_bus_stalls import frozen

ROOM = 2
"""Of viewers at each of two edges."""
NODES = 6
SEAT_TTL_S, GRACE_S = 2, 5

pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Cluster, Prometheus]]:
    """A small cluster, whose license is honoured for some seconds only without its service, and Prometheus."""
    folder = tmp_path_factory.mktemp("watched")
    settings = {
        "RILLCAST_DISCOVERY": "nats",
        "RILLCAST_REGION": "home",
        "RILLCAST_EDGE_MAX_SESSIONS": str(ROOM),
        "RILLCAST_LICENSE_SEAT_TTL_S": str(SEAT_TTL_S),
        **licensed(folder),
    }
    async with (
        cluster(folder, edges=2, settings=settings) as running,
        prometheus(folder / "prometheus", running, faster=LAPSE) as there,
    ):
        await there.until_all_are_up(NODES)
        yield running, there
    assert running.tracebacks() == []


def licensed(folder: Path) -> dict[str, str]:
    """The settings of a license whose nodes lose their seats soon after its service."""
    key = Ed25519PrivateKey.generate()
    document = License(
        license_id="short",
        licensee="Tests",
        limit_total=20,
        issued_at_s=1,
        not_before_s=1,
        not_after_s=4_000_000_000,
        grace_s=GRACE_S,
    )
    (folder / "license.jwt").write_text(issue_license(document, key))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "license.pub").write_bytes(public)
    return {
        "RILLCAST_LICENSE_FILE": str(folder / "license.jwt"),
        "RILLCAST_LICENSE_PUBLIC_KEY_FILE": str(folder / "license.pub"),
    }


@contextmanager
def standing_still(running: Cluster, node: str) -> Iterator[None]:
    """A node that does nothing until the end of the block: its supervisor does not start it anew."""
    process = process_of(running, node)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def test_viewers_who_find_no_room(watched: tuple[Cluster, Prometheus], stream: str) -> None:
    running, there = watched
    async with publishing(running.whip(stream)):
        await running.live(stream)
        assert await there.firing() & {"RillcastNoRoom", "RillcastViewersCannotJoin"} == set()
        async with viewers(running.whep(stream), 2 * ROOM) as inside:
            more = await started("viewers", running.whep(stream), "-n", "200", "--rate", "10", "--seconds", "1")
            await there.until_firing("RillcastNoRoom")
            await there.until_firing("RillcastViewersCannotJoin")
            with_room = await inside.leave()
        assert with_room.connected == 2 * ROOM
        await more.communicate()
        for _ in range(5):
            again = await started("viewers", running.whep(stream), "-n", str(ROOM), "--rate", "2", "--seconds", "1")
            assert (await seen(again)).connected == ROOM
        await there.until_silent("RillcastNoRoom")
        await there.until_silent("RillcastViewersCannotJoin")


async def test_an_edge_that_is_lost_and_comes_back(watched: tuple[Cluster, Prometheus]) -> None:
    running, there = watched
    with standing_still(running, "edge-2"):
        await there.until_firing("RillcastNodeNotScraped")
        await there.until_firing("RillcastNodeLost")
    await there.until_silent("RillcastNodeLost")
    await there.until_silent("RillcastNodeNotScraped")


async def test_the_only_origin_is_lost_and_comes_back(watched: tuple[Cluster, Prometheus]) -> None:
    running, there = watched
    with standing_still(running, "origin-1"):
        await there.until_firing("RillcastNoNode")
    await there.until_silent("RillcastNoNode")


async def test_the_bus_stalls_and_goes_on(watched: tuple[Cluster, Prometheus]) -> None:
    running, there = watched
    with frozen(running, "nats-server"):
        await there.until_firing("RillcastNoBus")
    await there.until_silent("RillcastNoBus")


async def test_seats_that_lapse_and_come_back(watched: tuple[Cluster, Prometheus]) -> None:
    running, there = watched
    with standing_still(running, "license-1"):
        await there.until_firing("RillcastNoSeat")
        await there.until_firing("RillcastNodeNotReady")
    await there.until_silent("RillcastNoSeat")
    await there.until_silent("RillcastNodeNotReady")


async def test_only_durations_are_shortened() -> None:
    text = 'expr: rate(x{a="5m"}[5m]) > 0.2 unless x offset 15m\nfor: 1h\n# 14.4 of 30m\n'

    assert shortened(text, LAPSE).startswith('expr: rate(x{a="5m"}[10s]) > 0.2 unless x offset 30s\nfor: 120s\n')
