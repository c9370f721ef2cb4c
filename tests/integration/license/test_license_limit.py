"""N + 1 nodes on N seats, as real processes: who is refused, where it is to be seen, what mends it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from license_cluster import LicenseCluster, license, license_cluster, until

from rillcast.contracts.status import STATUS_PATH, ClusterStatus
from rillcast.testing.servers import free_port


async def test_the_node_too_many_waits_and_says_so_everywhere_until_an_upgrade_lets_it_in() -> None:
    async with license_cluster() as c:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        license_service = await c.start("license-1")
        await c.status()
        await c.install(license(2))
        signaling, edge = await asyncio.gather(c.start("signaling-1", port=port), c.start("edge-1"))
        await asyncio.gather(signaling.ready(), edge.ready())

        extra = await c.start("edge-2")

        why = "all 2 seats of license acme-2 (Acme) are taken (1 edge, 1 signaling)"
        await extra.not_ready(why)
        assert await extra.metric('rillcast_license_seat{state="refused"}') == 1
        assert await extra.metric("rillcast_ready") == 0
        assert "No seat under the license" in extra.log
        assert why in extra.log
        refused = await license_service.metric('rillcast_license_seat_answers_total{outcome="refused"}')
        assert refused is not None
        assert refused > 0

        async def shown(words: str) -> bool:
            _, text = await c.command("status", "--url", url, "--token-file", str(c.token_file))
            assert words in text, text
            return True

        await until(lambda: shown(why), "rillcast status shows why")
        assert await shown("license of Acme: valid, 2 of 2 seats used")
        nodes = await listed_nodes(c, url)
        assert why in nodes["edge-2"]["note"]
        assert (await edge.readyz())["license"] == (await signaling.readyz())["license"] == "held"

        await c.install(license(3))
        await extra.ready()
        assert (await c.status()).used_by_kind == {"edge": 2, "signaling": 1}

        await c.install(license(1, license_id="smaller"))
        last = await c.start("transcoder-1")
        await last.not_ready("all 1 seats of license smaller")
        for node in (signaling, edge, extra):
            assert (await node.readyz())["license"] == "held"


async def listed_nodes(c: LicenseCluster, url: str) -> dict[str, dict[str, Any]]:
    async with c.operator() as http:
        nodes = (await http.get(f"{url}/rest/v2/cluster/nodes/0/50")).json()
        status = msgspec.json.decode((await http.get(url + STATUS_PATH)).content, type=ClusterStatus)
    assert status.license is not None
    return {node["id"]: node for node in nodes}


async def test_a_full_cluster_takes_a_killed_node_back_at_once_and_another_one_after_the_ttl() -> None:
    async with license_cluster() as c:
        await c.start("license-1")
        await c.status()
        await c.install(license(2))
        one, two = await asyncio.gather(c.start("edge-1"), c.start("transcoder-1"))
        await asyncio.gather(one.ready(), two.ready())

        await two.kill()
        await two.start()
        await two.ready()
        assert (await c.status()).used_by_kind == {"edge": 1, "transcoder": 1}

        rescheduled = await c.start("transcoder-2")
        await rescheduled.not_ready("all 2 seats")
        await two.kill()
        await rescheduled.ready()
        assert (await c.status()).used_by_kind == {"edge": 1, "transcoder": 1}

        await one.leave()
        last = await c.start("origin-1")
        await last.ready()
        assert (await c.status()).used_by_kind == {"origin": 1, "transcoder": 1}
