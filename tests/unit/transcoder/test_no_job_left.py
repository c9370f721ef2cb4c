"""Whatever happens to a node, and in whatever order: after everybody left, nothing is left in its plane."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.media.protocol import (
    AddPushSource,
    AddRelay,
    AddRelaySource,
    ClockSeen,
    KeyframeWanted,
    RelayChildLost,
    RelayParentLost,
    RemoveRelay,
    RemoveSource,
)
from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import eventually, within
from tests.unit.transcoder.cluster import KEY, LADDER, ORIGIN, SIZED, VIDEO, Cluster, TestNode, cluster
from tests.unit.transcoder.pictures import Camera

TRACKS = ("v0.180p", "v0.90p")
CHILDREN = ("edge-1", "edge-2")


class Story:
    """What may happen, one method per event. Each is possible at any time."""

    def __init__(self, around: Cluster, node: TestNode) -> None:
        self.around, self.node = around, node
        self.epoch = 5
        self.lost: set[int] = set()
        self.camera = Camera(width=64, height=36)
        self.draining: asyncio.Task[None] | None = None

    async def watch(self, number: int) -> None:
        with suppress(RillcastError):
            await self.around.watch_rung(TRACKS[number % 2], self.node.name, child=CHILDREN[number // 2])

    async def unwatch(self, number: int) -> None:
        with suppress(RillcastError):
            await self.around.unwatch_rung(TRACKS[number % 2], self.node.name, child=CHILDREN[number // 2])

    async def lose_children(self, _: int) -> None:
        gone = {removed.relay for removed in self.node.plane.of(RemoveRelay)} | self.lost
        for relay in {added.relay for added in self.node.plane.of(AddRelay)} - gone:
            self.lost.add(relay)
            self.node.plane.emit(RelayChildLost(relay=relay))

    async def lose_parent(self, _: int) -> None:
        for added in self.node.plane.of(AddRelaySource)[-1:]:
            self.node.plane.emit(RelayParentLost(source=added.source))

    async def refuse(self, number: int) -> None:
        self.around.refusing = number % 2 == 0

    async def silence_origin(self, number: int) -> None:
        self.around.silent = number % 2 == 0

    async def cut_off(self, number: int) -> None:
        self.node.bus.connected = number % 2 == 1

    async def cancel(self, number: int) -> None:
        """Whatever goes on is cancelled in the middle: a job, a claim, a question to the origin."""
        tasks = sorted(self.node.media.tasks._tasks, key=asyncio.Task.get_name)
        if tasks:
            tasks[number % len(tasks)].cancel()

    async def drain(self, number: int) -> None:
        if number == 0 and self.draining is None:
            self.draining = asyncio.create_task(self.node.jobs.drain())

    async def tire_plane(self, number: int) -> None:
        self.node.plane.busy = number % 2 == 0

    async def tire_machine(self, number: int) -> None:
        self.around.machine.too_slow_from = (90, 180, 100_000, 100_000)[number]

    async def film(self, number: int) -> None:
        if self.node.feed_source() is not None:
            self.node.feed(self.camera, number)

    async def report(self, number: int) -> None:
        for added in self.node.plane.of(AddRelaySource)[-1:]:
            self.node.plane.emit(ClockSeen(source=added.source, ntp=number, rtp_ts=number))
        for pushed in self.node.plane.of(AddPushSource)[-1:]:
            self.node.plane.emit(KeyframeWanted(source=pushed.source))

    async def set_ladder(self, number: int) -> None:
        await self.around.ladder(*LADDER[: number % 3], always=number == 2)

    async def publish(self, number: int) -> None:
        self.epoch += number % 2
        source = SIZED if number < 3 else msgspec.structs.replace(VIDEO, width=160, height=90)
        await self.around.publish(source, owner=ORIGIN, epoch=self.epoch)

    async def unpublish(self, _: int) -> None:
        if KEY in self.around._records:
            await self.around.unpublish()

    async def lose_store(self, number: int) -> None:
        self.around.renditions.available = number % 2 == 1

    async def another_has_the_job(self, _: int) -> None:
        record = await self.around.rendition() if self.around.renditions.available else None
        if record is not None:
            foreign = msgspec.structs.replace(record, owner=NodeId("transcoder-9"), tracks=())
            await self.around.renditions.put(f"{KEY}/ladder", msgspec.json.encode(foreign))

    async def wait(self, number: int) -> None:
        await asyncio.sleep((0.0, 0.05, 1.0, 7.0)[number])


EVENTS = [name for name in vars(Story) if not name.startswith("_")]


async def tell(events: list[tuple[str, int]]) -> None:
    async with cluster() as around:
        node = await around.node()
        story = Story(around, node)
        await around.ladder(*LADDER)
        await story.publish(0)
        await story.wait(2)
        for name, number in events:
            await getattr(story, name)(number)
            await asyncio.sleep(0)

        around.renditions.available = True
        around.silent, node.bus.connected = False, True
        await story.unpublish(0)
        await eventually(lambda: not node.media.tasks._tasks, 30.0, "the end of everything")

        plane = node.plane
        added = {one.source for one in plane.of(AddPushSource)} | {one.source for one in plane.of(AddRelaySource)}
        assert added == {one.source for one in plane.of(RemoveSource)}, "sources"
        opened = {command.relay for command in plane.of(AddRelay)}
        assert opened == {command.relay for command in plane.of(RemoveRelay)} | story.lost, "relays"
        assert not node.running._jobs
        assert not node.running._by_feed
        assert not node.jobs._attended
        await asyncio.sleep(around.lease_s + 0.1)  # more than one lease, whatever the rounding
        assert await around.rendition() is None, "the lease"
        if story.draining is not None:
            async with within(1.0, "the end of the drain"):
                await story.draining
        assert node.media.load.sessions == 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(events=[("wait", 1), ("drain", 0), ("watch", 0), ("another_has_the_job", 0), ("watch", 0)])
@given(events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3)), max_size=25))
def test_nothing_is_left(events: list[tuple[str, int]], caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(tell(events))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
