"""Media past the UDP socket, by a real edge behind veth pairs, to viewers who decrypt every packet. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rillcast.contracts.words import NodeKind
from rillcast.testing.services import service_environment
from tests.integration.raw_rig import CLIENT, OTHER_CLIENT, ROOT, SERVER, Cluster, Network, cluster, run, why_not

pytest.importorskip("rillcast_native")
pytestmark = pytest.mark.timeout(600)

NET_RAW = 13
FRAMES_ONLY = """
table inet marks {
  chain out {
    type filter hook output priority mangle
    udp sport 50000-50999 ip dscp set cs1
  }
}
"""
DROPS_FRAMES = """
table inet drops {
  chain in {
    type filter hook prerouting priority raw
    udp sport 50000-50999 ip dscp 0 ip length > 100 drop
  }
}
"""


@pytest.fixture(autouse=True)
def able() -> None:
    """Where a test must not be skipped, a missing right is a failure."""
    if reason := why_not():
        if os.environ.get("RILLCAST_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
async def raw(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, "raw") as one:
        yield one


async def test_whatever_happens_to_the_way_viewers_see_nothing_of_it(raw: Cluster) -> None:
    ip = raw.network.ip

    async with raw.viewers(6, "--seconds", "45", "--link-loss", "0,0,0,0,0,0.05") as said:
        await raw.grows("unproved", 1)
        await raw.grows("raw", 200)
        ip("neigh", "del", CLIENT, "dev", "v1")
        await raw.grows("raw", 200)
        ip("route", "add", f"{CLIENT}/32", "via", OTHER_CLIENT, "dev", "v2")
        await raw.grows("raw", 200)
        ip("route", "del", f"{CLIENT}/32")
        route = ("route", "replace", "10.77.0.0/24", "dev", "v1", "src", SERVER)
        ip(*route, "mtu", "1000")
        await raw.grows("too_long", 50)
        ip(*route)
        await raw.grows("raw", 200)
        ip("link", "set", "v1", "down")
        await raw.grows("raw", 200)
        ip("link", "set", "v1", "up")
        await raw.grows("raw", 200)

    steady, (clean, lossy) = said["steady"], said["links"]
    assert steady["receiving"] == 6
    assert steady["bad_decrypts"] == 0, "nothing of one viewer in another one's packet"
    assert steady["decrypted"] == steady["packets"]
    assert said["moves"] == 0
    assert said["ended"] == {}
    assert clean["without_picture"] == lossy["without_picture"] == 0
    assert clean["video_lost"] == 0, "what the device may have lost when it went down was repaired"
    assert clean["freezes"] == 0
    assert lossy["repaired"] > 0
    counted = raw.counted()
    assert counted["raw"] > counted["socket"]
    assert not {"ring_full", "unheard", "odd_route"} & counted.keys(), counted
    held = raw.capabilities()
    assert {name for name, _ in held} == {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}
    assert not any(sets >> NET_RAW & 1 for _, sets in held), "the capability was given away, by all threads"


async def test_a_way_that_the_kernel_names_and_that_leads_nowhere_is_noticed(raw: Cluster) -> None:
    """A firewall that knows datagrams of sockets alone, as many machines have."""
    raw.network.rules(raw.network.server, FRAMES_ONLY)
    raw.network.rules(raw.network.client, DROPS_FRAMES)

    async with raw.viewers(4, "--seconds", "30") as said:
        await raw.grows("raw", 20)
        await raw.grows("unheard", 200)

    (link,) = said["links"]
    assert said["steady"]["receiving"] == 4
    assert said["moves"] == 0
    assert link["received_bps"] > 500_000
    assert link["frozen_s_most"] < 15, "they see a picture nearly all of the time"


def test_a_node_that_must_send_raw_and_has_no_capability_refuses_in_words() -> None:
    settings = service_environment(NodeKind.EDGE, 0, {"egress": "raw", "log_format": "text"})
    words = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable, "-m", "services.edge")

    done = subprocess.run(words, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "RILLCAST_EDGE_EGRESS=raw: the process does not have CAP_NET_RAW" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_plane_that_may_choose_says_why_it_sends_by_the_socket() -> None:
    code = (
        "import msgspec, rillcast_native as n; from rillcast.media.protocol import *; raw = n.claim_raw(1);"
        "p = n.Plane(msgspec.json.encode(PlaneConfig(media_bind=('127.0.0.1',), egress=EgressMode.AUTO)), raw);"
        "print(p.egress())"
    )
    said = run("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable, "-c", code)
    assert said == "(False, 'the process does not have CAP_NET_RAW')\n"


def test_a_user_with_one_capability_can_send_raw_and_keeps_nothing() -> None:
    code = "import rillcast_native as n; print(n.claim_raw(2).problem, n.claim_raw(1).problem)"
    raw = (f"--{which}=-all,+net_raw" for which in ("inh-caps", "ambient-caps", "bounding-set"))
    said = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *raw, sys.executable, "-c", code)
    assert said == "None the process does not have CAP_NET_RAW\n"


def test_a_node_without_an_ethernet_refuses_in_words() -> None:
    network = Network()
    run("ip", "netns", "add", network.server)
    try:
        code = (
            "import msgspec, rillcast_native as n; from rillcast.media.protocol import *;"
            "raw = n.claim_raw(1);"
            "n.Plane(msgspec.json.encode(PlaneConfig(media_bind=('0.0.0.0',), egress=EgressMode.RAW)), raw)"
        )
        run("ip", "-n", network.server, "link", "set", "lo", "up")
        words = network.inside(network.server, sys.executable, "-c", code)
        with pytest.raises(AssertionError, match="egress: raw is not possible here: no Ethernet device is up"):
            run(*words)
    finally:
        network.remove()
