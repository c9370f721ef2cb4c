"""A flood of joins that are refused leaves the traces of those who watch readable, at signaling and at the edge."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.e2e.cluster import Cluster, cluster
from tests.e2e.load import publishing, viewers
from tests.e2e.test_command_line import rillcast_

ROOM = 400
FLOOD, AT_ONCE = 1_200, 16
"""Refused joins: each has several spans in each of the two processes."""
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
SDP = {"Content-Type": "application/sdp"}


async def refused(own: Cluster, stream: str, count: int) -> int:
    """So many joins to a living stream with an offer that cannot be taken. How many were refused."""
    places = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as http:

        async def one() -> bool:
            async with places:
                return (await http.post(own.whep(stream), content=OFFER, headers=SDP)).is_client_error

        return sum(await asyncio.gather(*(one() for _ in range(count))))


async def pushed_out(own: Cluster, node: str, fate: str) -> float:
    return await own.metric(node, f"rillcast_trace_spans_forgotten_total{{fate={fate}}}")


async def test_a_flood_of_refused_joins_pushes_out_no_good_trace(tmp_path: Path, stream: str) -> None:
    async with (
        cluster(tmp_path, settings={"RILLCAST_TRACE_SPANS": str(ROOM)}) as own,
        publishing(own.whip(""), "--stream", stream),
    ):
        await own.live(stream)
        async with viewers(own.whep(stream), 1):
            good = await rillcast_(own, "trace", stream, "--name", "play", "--json")
            (before,) = good.json()["traces"]
            assert before["whole"]

            assert await refused(own, stream, FLOOD) == FLOOD

            shown = await rillcast_(own, "trace", before["trace"], "--json")
            assert shown.code == 0, shown.err
            (after,) = shown.json()["traces"]
            assert (after["whole"], after["error"]) == (True, "")
            assert {span["span"] for span in after["spans"]} >= {span["span"] for span in before["spans"]}
        failed = await rillcast_(own, "trace", stream, "--failed")
        assert "no_codec_enabled_in_the_server" in failed.out
        for node in ("signaling-1", "edge-1"):
            assert await pushed_out(own, node, "refused") > ROOM, f"at {node} the flood was none"
            assert await pushed_out(own, node, "fine") == 0
        dropped = "rillcast_signaling_join_traces_dropped_total{reason=refused}"
        assert await own.metric("signaling-1", dropped) > 0
        assert own.tracebacks() == []
