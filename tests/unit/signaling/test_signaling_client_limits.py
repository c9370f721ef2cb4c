"""What one address may ask for at a whole signaling instance: the refusal of each protocol, its count, the way back."""

from __future__ import annotations

from typing import Any

import pytest

from rillcast.contracts.ids import StreamId
from rillcast.testing.eventually import eventually
from services.signaling import metrics
from tests.unit.signaling.asgi_socket import Denied
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SDP = {"Content-Type": "application/sdp"}
EVERYBODY = {"unlimited_networks": "192.0.2.0/24"}
"""So that the client's own address, a loopback one, is limited."""


def limited(what: str) -> float:
    value: float = metrics.RATE_LIMITED.labels(what)._value.get()
    return value


async def post(c: Cluster, role: str, stream: str = "s1", **headers: str) -> Any:
    async with c.http() as http:
        return await http.post(f"/live/{role}/{stream}", content=OFFER, headers=SDP | headers)


async def test_joins_beyond_the_burst_are_429_and_counted() -> None:
    async with cluster(join_burst_per_address=3, joins_per_s_per_address=0.1, **EVERYBODY) as c:
        before = limited("publish")
        statuses = [(await post(c, "whip", f"s{number}")).status_code for number in range(4)]
        refused = await post(c, "whip", "s9")

    assert statuses == [201, 201, 201, 429]
    assert refused.text == "too many requests came from your address"
    assert refused.headers["retry-after"] == "10"
    assert limited("publish") == before + 2
    assert len(c.origin.published) == 3


async def test_a_socket_reads_the_field_s_own_word() -> None:
    async with cluster(join_burst_per_address=1, joins_per_s_per_address=0.1, **EVERYBODY) as c, c.client() as client:
        await client.publish(c)
        refusal = await client.ask("publish", streamId="s2")

    assert refusal["definition"] == "highResourceUsage"
    assert refusal["information"] == "too many requests came from your address"


async def test_who_waits_for_a_stream_uses_little_up() -> None:
    async with cluster(join_burst_per_address=2, joins_per_s_per_address=0.001, **EVERYBODY) as c:
        waiting = [(await post(c, "whep", "later")).status_code for _ in range(20)]
        await c.go_live("later")
        live = [(await post(c, "whep", "later")).status_code for _ in range(2)]

    assert waiting == [404] * 20
    assert live == [201, 429]


async def test_the_client_counts_that_a_trusted_proxy_names_and_not_the_proxy() -> None:
    limits = {"join_burst_per_address": 1, "joins_per_s_per_address": 0.1, "unlimited_networks": ""}
    async with cluster(trusted_proxies="127.0.0.1", **limits) as c:
        names = ["203.0.113.1:80", "203.0.113.2", "203.0.113.1:81", "2001:db8::1", "2001:db8::2", "unknown", "_hidden"]
        statuses = [
            (await post(c, "whip", f"s{number}", **{"X-Forwarded-For": name})).status_code
            for number, name in enumerate(names)
        ]

    assert statuses == [201, 201, 429, 201, 429, 201, 429]


async def test_a_proxy_that_nobody_declared_is_one_client_and_is_noticed() -> None:
    before = metrics.UNDECLARED_PROXIES._value.get()
    async with cluster(join_burst_per_address=1, joins_per_s_per_address=0.1, **EVERYBODY) as c:
        statuses = [
            (await post(c, "whip", f"s{number}", **{"X-Forwarded-For": f"203.0.113.{number}"})).status_code
            for number in range(2)
        ]

    assert statuses == [201, 429]
    assert metrics.UNDECLARED_PROXIES._value.get() == before + 2


async def test_a_proxy_on_the_same_machine_that_nobody_named_works_and_has_a_limit() -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.5"}
    async with cluster(join_burst_per_address=2, joins_per_s_per_address=0.001) as c:
        before = metrics.UNDECLARED_PROXIES._value.get()
        statuses = [(await post(c, "whip", f"s{number}", **forwarded)).status_code for number in range(22)]
        refused = await post(c, "whip", "s99", **forwarded)
        beside = await post(c, "whip", "s100")

    assert statuses == [201] * 20 + [429] * 2
    assert "RILLCAST_SIGNALING_TRUSTED_PROXIES" in refused.text
    assert beside.status_code == 201, "this machine's own programs have no limit"
    assert metrics.UNDECLARED_PROXIES._value.get() == before + 23


async def test_sockets_beyond_the_burst_are_refused() -> None:
    async with cluster(socket_burst_per_address=2, sockets_per_s_per_address=0.1, **EVERYBODY) as c:
        before = limited("socket")
        async with c.client(), c.client():
            with pytest.raises(Denied) as denied:
                async with c.client():
                    pass

    assert denied.value.status == 429
    assert limited("socket") == before + 1


async def test_an_address_has_so_many_sockets_until_one_is_closed() -> None:
    async with cluster(max_connections_per_address=1, **EVERYBODY) as c:
        before = limited("open_sockets")
        async with c.client():
            with pytest.raises(Denied):
                async with c.client():
                    pass
        assert limited("open_sockets") == before + 1

        async def served() -> bool:
            try:
                async with c.client() as client:
                    return await client.ask("ping") == {"command": "pong"}
            except Denied:
                return False

        await eventually(served, what="a place for the next socket")


async def test_load_generators_of_the_same_machine_have_no_limit() -> None:
    limits = {"join_burst_per_address": 1, "joins_per_s_per_address": 0.1, "max_connections_per_address": 1}
    async with cluster(socket_burst_per_address=1, sockets_per_s_per_address=0.1, **limits) as c:
        async with c.client(), c.client():
            assert [(await post(c, "whip", f"s{number}")).status_code for number in range(3)] == [201] * 3
        assert {request.stream for request in c.origin.published} == {StreamId(f"s{number}") for number in range(3)}


CHANGES = {"change_burst_per_address": 3, "changes_per_s_per_address": 0.1}


async def test_changes_of_a_resource_beyond_the_burst_are_429_and_counted() -> None:
    async with cluster(**CHANGES, **EVERYBODY) as c, c.http() as http:
        location = (await post(c, "whip")).headers["location"]
        before = limited("change")
        restart = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
        fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
        statuses = [(await http.patch(location, content=fragment, headers=restart)).status_code for _ in range(4)]
        refused = await http.delete(location)
        strange = await http.delete(f"{location}x")

    assert statuses[3] == 429
    assert 429 not in statuses[:3]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    assert strange.status_code == 404, "a name that is not ours costs nothing"
    assert limited("change") == before + 2
    assert c.origin.closed == []


async def test_wishes_of_a_socket_beyond_the_burst_reach_no_node() -> None:
    async with cluster(**CHANGES, **EVERYBODY) as c, c.client() as client:
        await c.go_live()
        edge, _session = await client.play(c)
        before = limited("change")
        for _ in range(20):
            await client.send("toggleAudio", streamId="s1", enabled=False)
        await eventually(lambda: limited("change") == before + 17, what="the others are refused")

    assert len(edge.muted) == 3


async def test_two_sockets_of_one_address_share_the_changes_and_another_address_has_its_own() -> None:
    limits = {**CHANGES, "change_burst_per_address": 1, "unlimited_networks": ""}
    async with cluster(trusted_proxies="127.0.0.1", **limits) as c, c.http() as http:
        statuses = []
        for number, name in enumerate(("203.0.113.1", "203.0.113.1", "203.0.113.2")):
            location = (await post(c, "whip", f"s{number}", **{"X-Forwarded-For": name})).headers["location"]
            statuses.append((await http.delete(location, headers={"X-Forwarded-For": name})).status_code)

    assert statuses == [200, 429, 200]
