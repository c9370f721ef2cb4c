"""Small pictures of streams: made when somebody asks, once for all who ask, and not too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from rillcast.contracts.messages import NoPreview, PreviewAnswer, PreviewRequest
from rillcast.contracts.subjects import transcoder_preview
from rillcast.media.protocol import AddRelaySource, RemoveSource, SourceId, Tap
from rillcast.testing.eventually import eventually
from services.transcoder.domain.picture_words import Made
from services.transcoder.usecases import previews
from tests.unit.transcoder.cluster import APP, AUDIO, SIZED, STREAM, VIDEO, Cluster, TestNode, cluster
from tests.unit.transcoder.jobs_at_work import job_with_rungs
from tests.unit.transcoder.pictures import Camera


async def asked(around: Cluster, node: TestNode, stream: StreamId = STREAM) -> PreviewAnswer:
    request = PreviewRequest(app=APP, stream=stream)
    return await around.bus.request(transcoder_preview(node.name), request, PreviewAnswer, timeout_s=30.0)


@asynccontextmanager
async def filmed(node: TestNode, codec: str = "H264") -> AsyncIterator[None]:
    """Whatever is tapped delivers pictures meanwhile."""

    async def film() -> None:
        camera = Camera(codec, 320, 180)
        while True:
            packets = camera.frame(keyframe=True)
            for source in tapped(node):
                for packet in packets:
                    node.events.packet(source, packet)
            await asyncio.sleep(0.05)

    filming = asyncio.create_task(film())
    try:
        yield
    finally:
        filming.cancel()


def tapped(node: TestNode) -> set[SourceId]:
    on: dict[SourceId, bool] = {}
    for command in node.plane.commands:
        if isinstance(command, Tap):
            on[command.source] = command.enabled
        elif isinstance(command, RemoveSource):
            on.pop(command.source, None)
    return {source for source, enabled in on.items() if enabled}


async def live(around: Cluster, node: TestNode, *tracks: object) -> None:
    await around.publish(*(tracks or (SIZED, AUDIO)))  # type: ignore[arg-type]
    await eventually(lambda: node.watch.get(APP, STREAM))


async def test_a_picture_is_made_when_somebody_asks_and_nothing_is_left() -> None:
    async with cluster() as around:
        node = await around.node()
        await live(around, node)
        await asyncio.sleep(5.0)
        assert around.opened == []
        async with filmed(node):
            answer = await asked(around, node)
        assert (answer.picture, answer.width, answer.height, answer.why) == (b"jpeg", 320, 180, None)
        await eventually(lambda: len(around.closed) == 1)
        assert len(node.plane.of(AddRelaySource)) == len(node.plane.of(RemoveSource)) == 1
        assert not tapped(node)


async def test_all_who_ask_share_a_picture_and_it_is_kept_for_a_while() -> None:
    async with cluster() as around:
        node = await around.node()
        await live(around, node)
        async with filmed(node):
            answers = await asyncio.gather(*(asked(around, node) for _ in range(20)))
            assert answers == [answers[0]] * 20
            await asked(around, node)
            assert around.pictures.asked == ["H264"]
            await asyncio.sleep(previews.FRESH_S + 1.0)
            await asked(around, node)
        assert around.pictures.asked == ["H264", "H264"]


async def test_a_stream_that_this_node_has_already_comes_here_once() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        async with filmed(node):
            assert (await asked(around, node)).why is None
            assert len(around.opened) == 1, "the relay of the job"
            await around.watch_rung("v0.90p", node.name)
            await asyncio.sleep(previews.FRESH_S + 1.0)
            assert (await asked(around, node)).why is None
        await around.unwatch_rung("v0.90p", node.name)
        await eventually(lambda: not tapped(node))
        assert len({request.relay for request in around.opened}) == len(node.plane.of(AddRelaySource))


@pytest.mark.parametrize(
    ("tracks", "why"),
    [
        ((AUDIO,), NoPreview.NO_VIDEO),
        ((msgspec.structs.replace(VIDEO, codec="H263"),), NoPreview.CODEC),
        ((msgspec.structs.replace(VIDEO, clock_rate=8_000),), NoPreview.CODEC),
        ((VIDEO,), NoPreview.NO_KEYFRAME),
    ],
)
async def test_where_there_is_no_picture_it_is_said_why(tracks: tuple[object, ...], why: NoPreview) -> None:
    async with cluster() as around:
        node = await around.node()
        await live(around, node, *tracks)
        assert (await asked(around, node)).why is why
        assert around.pictures.asked == []
        await eventually(lambda: not tapped(node))


async def test_what_could_not_be_decoded_is_left_alone_for_a_while() -> None:
    async with cluster() as around:
        node = await around.node()
        await live(around, node)
        around.pictures.made = Made(why=NoPreview.UNDECODABLE)
        async with filmed(node):
            for _ in range(3):
                assert (await asked(around, node)).why is NoPreview.UNDECODABLE
        assert around.pictures.asked == ["H264"]


async def test_a_stream_that_is_not_there_or_ends_is_refused() -> None:
    async with cluster() as around:
        node = await around.node()
        with pytest.raises(RillcastError) as refused:
            await asked(around, node)
        assert refused.value.code is ErrorCode.NO_STREAM_EXIST
        await live(around, node)
        asking = asyncio.create_task(asked(around, node))
        await eventually(lambda: tapped(node))
        await around.unpublish()
        with pytest.raises(RillcastError) as refused:
            await asking
        assert refused.value.code is ErrorCode.NO_STREAM_EXIST


async def test_too_many_streams_at_one_time_are_refused_and_later_they_are_not() -> None:
    async with cluster(lease_s=60.0) as around:
        node = await around.node()
        streams = [StreamId(f"s{number}") for number in range(previews.MOST_WANTED + 1)]
        for stream in streams:
            await around.publish(SIZED, stream=stream)
        await eventually(lambda: all(node.watch.get(APP, stream) for stream in streams))
        asking = [asyncio.create_task(asked(around, node, stream)) for stream in streams[:-1]]
        await eventually(lambda: len(node.plane.of(Tap)) == previews.AT_ONCE)
        with pytest.raises(RillcastError) as refused:
            await asked(around, node, streams[-1])
        assert refused.value.code is ErrorCode.HIGH_RESOURCE_USAGE
        async with filmed(node):
            assert {answer.why for answer in await asyncio.gather(*asking)} <= {None, NoPreview.NO_KEYFRAME}
            assert (await asked(around, node, streams[-1])).why is None


async def test_pictures_can_be_switched_off() -> None:
    async with cluster() as around:
        node = await around.node(previews_per_s=0.0)
        await live(around, node)
        with pytest.raises(RillcastError, match="switched off"):
            await asked(around, node)


async def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "MOST_KEPT", 3)
    async with cluster() as around:
        node = await around.node()
        for number in range(5):
            await around.publish(AUDIO, stream=StreamId(f"s{number}"))
        streams = [StreamId(f"s{number}") for number in range(5)]
        await eventually(lambda: all(node.watch.get(APP, stream) for stream in streams))
        for stream in streams:
            await asked(around, node, stream)
        assert len(node.service.previews._kept) == 3
