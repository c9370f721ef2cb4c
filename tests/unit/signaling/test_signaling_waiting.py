"""Viewers who ask for a stream that is not live: they wait, and are told when it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.testing.eventually import within
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Client, Cluster, cluster


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_a_stream_that_is_not_live_is_answered_cheaply_and_waited_for(c: Cluster) -> None:
    async with c.client() as client:
        sent = len(c.host.bus.requested)
        for _ in range(3):
            assert await client.ask("play", streamId="s1") == {
                "command": "error",
                "definition": "no_stream_exist",
                "error_code": "404",
                "streamId": "s1",
                "information": "stream_not_exist_or_not_streaming",
            }
        play_requests = [s for s, _ in c.host.bus.requested[sent:] if "play" in s]
        assert not play_requests

        await c.go_live()
        assert await client.receive() == {
            "command": "notification",
            "definition": "streaming_started",
            "streamId": "s1",
        }
        await client.play(c)


async def test_a_stream_without_media_yet_is_not_live(c: Cluster) -> None:
    await c.go_live(media_flowing=False)
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "no_stream_exist"
        await c.go_live()
        assert (await client.receive())["definition"] == "streaming_started"


async def test_who_stopped_waiting_is_not_told(c: Cluster) -> None:
    async with c.client() as client:
        await client.ask("play", streamId="s1")
        await client.send("stop", streamId="s1")
        await client.nothing_came()
        await c.go_live()
        async with within(5, "the end of what goes on behind"):
            await c.service.core.tasks.settle()
        assert await client.nothing_came()


async def test_a_stream_that_ends_between_directory_and_edge_puts_the_viewer_on_the_waiting_list(c: Cluster) -> None:
    await c.go_live()
    for edge in c.edges:
        edge.refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")
    async with c.client() as client:
        answer = await client.ask("play", streamId="s1")

    assert answer["definition"] == "no_stream_exist"
    assert answer["information"] == "stream_not_exist_or_not_streaming"


async def test_waiting_viewers_are_told_one_after_the_other() -> None:
    async with cluster(streaming_started_per_s=50) as c, c.client() as one, c.client() as two, c.client() as three:
        clients: list[Client] = [one, two, three]
        for client in clients:
            await client.ask("play", streamId="s1")
        await c.go_live()
        told = [await client.receive() for client in clients]
    assert {frame["definition"] for frame in told} == {"streaming_started"}


async def test_a_removed_stream_is_no_longer_live(c: Cluster) -> None:
    await c.go_live()
    await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(LIVE, StreamId("s1")))
    await c.sees(lambda: not list(c.service.core.streams.all()))
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "no_stream_exist"
