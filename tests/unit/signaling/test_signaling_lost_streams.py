"""Viewers by WHEP who come between the end of a dead origin's record and its publisher's return."""

from __future__ import annotations

import time

import httpx

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.subjects import STREAM_LEASE_S
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

LIVE = AppName("live")


async def play(c: Cluster, stream: str) -> httpx.Response:
    async with c.http() as http:
        headers = {"Content-Type": "application/sdp"}
        return await http.post(f"/live/whep/{stream}", content=OFFER, headers=headers)


def expire_all(c: Cluster) -> None:
    """Nobody has written for a lease, while the store was heard."""
    now, heard_anew = time.monotonic(), 77
    for lease in (1, 2):
        c.service.core.watch.directory.expire(now + lease * STREAM_LEASE_S, hearing=heard_anew)


async def test_a_stream_that_lost_its_owner_is_to_be_asked_for_again_and_one_that_was_ended_is_not_there() -> None:
    async with cluster() as c:
        await c.go_live("s1")
        expire_all(c)
        lost, never = await play(c, "s1"), await play(c, "s2")
        await c.go_live("s1", epoch=2)
        back = await play(c, "s1")
        await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(LIVE, StreamId("s1")))
        await c.sees(lambda: not list(c.service.core.streams.all()))
        ended = await play(c, "s1")

    assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
    assert "its publisher is waited for" in lost.text
    assert (never.status_code, back.status_code, ended.status_code) == (404, 201, 404)
