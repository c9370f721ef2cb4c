"""Whole nodes on real servers that are killed, frozen, restarted and emptied under them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import msgspec
import pytest

from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId, stream_key
from rillcast.contracts.messages import (
    CarriedStream,
    NodeLoad,
    SeatAnswer,
    SeatRequest,
)
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import directory
from rillcast.runtime.discovery.directory import EXPIRY_S
from rillcast.runtime.ports import Entry
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, consul_agent, nats_server, need_consul


class OriginSettings(NodeSettings):
    model_config = env_prefix("origin")


class LicenseSettings(NodeSettings):
    model_config = env_prefix("license")


class Question(msgspec.Struct, frozen=True):
    text: str = ""


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with nats_server() as server:
        yield server


@asynccontextmanager
async def cluster(nats_url: str, **settings: str) -> AsyncIterator[tuple[Node, Node]]:
    """A license node that gives a seat to everybody, and an origin."""

    async def give(_request: SeatRequest) -> SeatAnswer:
        return SeatAnswer(ttl_s=1.0, licensee="test")

    shared = {"nats_url": nats_url, "connect_timeout_s": 30, "log_level": "error", **settings}
    async with Node(LicenseSettings.model_validate(shared), NodeKind.LICENSE) as license_node:
        await license_node.bus.serve(subjects.license_acquire(NodeKind.ORIGIN), SeatRequest, give, queue="license")
        async with Node(OriginSettings.model_validate(shared), NodeKind.ORIGIN) as origin:
            running = [asyncio.create_task(node.until_stopped()) for node in (license_node, origin)]
            await eventually(lambda: origin.readiness.ready, 30, "the origin being ready")
            yield license_node, origin
            origin.stop()
            license_node.stop()
            await asyncio.gather(*running)


async def test_load_readiness_and_streams_of_a_node_reach_the_others(nats: NatsServer) -> None:
    async with cluster(nats.url) as (other, node):
        carried = [CarriedStream(app=AppName("live"), stream=StreamId(f"s{i}"), viewers=i) for i in range(600)]
        node.report_load(NodeLoad(cpu=0.5, sessions=3), carried)
        node.readiness.set("disk", False, "the disk is full")

        def arrived() -> bool:
            report = other.directory.get(node.info.node)
            return report is not None and report.load.sessions == 3 and not report.ready

        await eventually(arrived, 30, "the report")
        report = other.directory.get(node.info.node)
        assert report is not None
        assert report.not_ready_reason == "disk: the disk is full"
        assert [stream.viewers for stream in report.carried] == list(range(599, 99, -1))
        assert other.directory.nodes(NodeKind.ORIGIN) != {}
        assert other.directory.placeable(NodeKind.ORIGIN) == {}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{node.info.admin_address}/readyz")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == {"disk": "the disk is full"}
        node.readiness.set("disk", True)


async def test_a_node_outlives_nats_and_takes_everything_up_again(nats: NatsServer) -> None:
    async def echo(question: Question) -> Question:
        return question

    async with cluster(nats.url, kv_storage="memory") as (other, node):
        await node.bus.serve("rc.v1.test.echo", Question, echo)
        streams = await node.kv("rillcast_streams", 6.0)
        before = await streams.create("live/a", b"1")
        seen: list[Entry] = []

        async def follow() -> None:
            async with streams.watch() as entries:
                async for entry in entries:
                    seen.append(entry)

        node.spawn(follow(), "follow")
        await eventually(
            lambda: len(seen) == 1 and len(node.directory.all()) == 2, 30, "both nodes and the key being seen"
        )

        await nats.kill()
        await eventually(lambda: not node.bus.connected and not other.bus.connected, 30, "the loss being noticed")
        async with within(2.5, "the refusals without NATS"):
            with pytest.raises(RillcastError) as caught:
                await other.bus.request("rc.v1.test.echo", Question("x"), Question)
            assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
            with pytest.raises(RillcastError) as caught:
                await streams.put("live/a", b"2")
            assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
        assert len(node.directory.all()) == 2, "losing the bus must not look like losing the others"
        assert node.readiness.ready, "losing the bus must not take a node with media out of service"

        await nats.start()  # the store was in memory: it is empty now
        await eventually(lambda: node.bus.connected and other.bus.connected, 30, "the reconnect")
        await node._connection.settle()  # the server knows again to what it listens
        assert await other.bus.request("rc.v1.test.echo", Question("again"), Question) == Question("again")
        after = await streams.create("live/a", b"3")
        assert before is not None
        assert after is not None
        assert after > before
        await eventually(lambda: seen[-1] == Entry("live/a", b"3", after), 30, "the new key on the old watch")
        await eventually(lambda: len(node.directory.all()) == 2, 30, "the heartbeats")


async def test_a_connection_that_ended_for_good_is_replaced(nats: NatsServer) -> None:
    async def echo(question: Question) -> Question:
        return question

    async with cluster(nats.url) as (other, node):
        await node.bus.serve("rc.v1.test.echo", Question, echo)
        bucket = await node.kv("contract")
        await bucket.put("a", b"1")
        async with bucket.watch() as entries:
            assert (await anext(entries)).key == "a"
            await node._connection.client.close()  # what the client does when the server refuses it
            await eventually(lambda: node.bus.connected, 30, "a new connection")
            await node._connection.settle()  # the server knows to what it listens
            assert await other.bus.request("rc.v1.test.echo", Question("x"), Question) == Question("x")
            async with within(30, "the entry again after the new connection"):
                assert (await anext(entries)).key == "a"
            await bucket.put("b", b"1")
            async with within(30, "the entry that was put after it"):
                assert (await anext(entries)).key == "b"


async def test_a_frozen_nats_is_noticed(nats: NatsServer) -> None:
    async with cluster(nats.url) as (_other, node):
        nats.freeze()
        await eventually(lambda: not node.bus.connected, timeout_s=40, what="the frozen server being noticed")
        nats.freeze(False)
        await eventually(lambda: node.bus.connected, timeout_s=40, what="the reconnect")


async def test_a_watch_that_a_frozen_nats_feeds_is_not_heard_until_it_goes_on(nats: NatsServer) -> None:
    async with cluster(nats.url) as (_other, node):
        streams = await node.kv("contract", ttl_s=30.0)
        async with streams.watch() as entries:
            await streams.put("a", b"1")
            assert (await anext(entries)).key == "a"
            before = streams.heard
            assert before

            nats.freeze()
            following = asyncio.ensure_future(anext(entries))
            await eventually(lambda: streams.heard == 0, 30, "the silence being noticed")
            nats.freeze(False)
            await eventually(lambda: streams.heard > before, timeout_s=40, what="the watch going on")

            following.cancel()
            await asyncio.wait((following,))


async def test_nobody_is_gone_while_nats_stalls_nor_after(nats: NatsServer) -> None:
    async with cluster(nats.url) as (other, node):
        gone: list[str] = []
        for each in (other, node):
            each.directory.on_gone(lambda report: gone.append(report.info.node))
        streams = await node.kv("contract", ttl_s=30.0)
        nats.freeze()
        # In one look, since some seconds later the connection is given up, and then the bus is gone and not stalled.
        await eventually(
            lambda: not node.bus.hearing and not other.bus.hearing and node._state()["bus_stalled"],
            30,
            "the stall being noticed",
        )
        with pytest.raises(RillcastError) as caught:
            await streams.put("live/a", b"1")
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
        assert node.readiness.ready, "a stalled bus must not take a node with media out of service"
        stalled = asyncio.create_task(asyncio.sleep(2 * EXPIRY_S))
        await eventually(stalled.done, timeout_s=30, what="a stall that is longer than the patience with a silent node")
        nats.freeze(False)
        await eventually(lambda: node.bus.hearing and other.bus.hearing, timeout_s=40, what="the end of the stall")
        heard = {report.info.node for report in other.directory.all()}
        assert heard == {node.info.node, other.info.node}
        await eventually(lambda: node._state()["bus_stalled"] is False, 30, "the end being shown")
        await streams.put("live/a", b"2")
        assert gone == []


async def test_nothing_is_gone_while_the_disk_of_nats_is_full() -> None:
    async with nats_server(more="jetstream: { max_file: 3MB }\n") as nats, cluster(nats.url) as (other, node):
        lease_s, key = 3.0, stream_key(AppName("live"), StreamId("full"))
        # The lease is longer than an owner takes to say with a heartbeat that it can't write.
        streams, renditions = await other.kv("streams", lease_s), await other.kv("renditions", lease_s)
        watch = StreamWatch(
            streams,
            renditions,
            other.bus,
            time.monotonic,
            lease_s,
            kept_from_writing=other.directory.kept_from_writing,
        )
        other.spawn(watch.run(), "watch")
        record = StreamRecord(
            app=AppName("live"),
            stream=StreamId("full"),
            owner=node.info.node,
            publisher_session=SessionId("p"),
            tracks=(),
        )
        owners = await node.kv("streams", lease_s)
        rewriting = True

        async def keep() -> None:
            while True:
                if rewriting:
                    with suppress(RillcastError):
                        await owners.put(key, msgspec.json.encode(record))
                await asyncio.sleep(lease_s / 3)

        node.spawn(keep(), "keeper")
        await eventually(lambda: watch.directory.by_key(key), 30, "the stream being live")

        other_bucket = await node.kv("ballast")
        for number in range(4):
            with suppress(RillcastError):
                await other_bucket.put(f"stone{number}", b"x" * 900_000)
        await eventually(lambda: other.directory.kept_from_writing(node.info.node), 30, "the owner saying so")
        held = asyncio.create_task(asyncio.sleep(2 * lease_s))
        while not held.done():
            assert watch.directory.by_key(key) is not None
            await asyncio.sleep(0.05)
        assert node._state()["store_lost"] is True

        await node._connection.client.jetstream().purge_stream("KV_ballast")  # a full disk takes no deletion either
        await eventually(
            lambda: not other.directory.kept_from_writing(node.info.node), timeout_s=40, what="the store taking writes"
        )
        assert watch.directory.by_key(key) is not None
        rewriting = False
        await eventually(lambda: watch.directory.by_key(key) is None, 30, "the record that nobody rewrites being gone")


def freeze_this_process(seconds: float) -> None:
    """With both nodes of a test in it."""
    time.sleep(seconds)


async def test_a_process_that_was_frozen_itself_takes_nobody_for_gone(nats: NatsServer) -> None:
    async with cluster(nats.url) as (other, node):
        gone: list[str] = []
        other.directory.on_gone(lambda report: gone.append(report.info.node))
        await eventually(lambda: other.directory.alive(node.info.node), 30, "the other node being seen")
        freeze_this_process(EXPIRY_S + 1)
        assert other.directory.alive(node.info.node)
        await eventually(lambda: other.bus.hearing, 30, "the bus being heard again")
        assert other.directory.alive(node.info.node)
        assert gone == []


async def test_a_node_that_vanishes_is_missed(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster(nats.url) as (_other, node):
        gone: list[str] = []
        node.directory.on_gone(lambda report: gone.append(report.info.node))
        with monkeypatch.context() as patch:
            patch.setattr(directory, "EXPIRY_S", 3_600)  # so it is the goodbye that tells, and not the silence
            async with Node(OriginSettings(nats_url=nats.url, log_level="error"), NodeKind.ORIGIN) as third:
                await eventually(lambda: node.directory.alive(third.info.node), 30, "the third node being seen")
                left_in_order = third.info.node
            await eventually(lambda: gone == [left_in_order], 30, "the goodbye")
        silent = Node(OriginSettings(nats_url=nats.url, log_level="error"), NodeKind.ORIGIN)
        async with silent:
            await eventually(lambda: node.directory.alive(silent.info.node), 30, "the next node being seen")
            await silent._connection.close()  # as if the process had been killed
            await eventually(lambda: silent.info.node in gone, timeout_s=30, what="the silence being noticed")


async def test_a_node_outlives_consul(nats: NatsServer) -> None:
    need_consul()
    async with consul_agent() as agent, cluster(nats.url, discovery="consul", consul_url=agent.url) as (other, node):

        def registered() -> bool:
            answer = httpx.get(f"{agent.url}/v1/health/service/rillcast-origin?passing=1", trust_env=False)
            return [entry["Service"]["ID"] for entry in answer.raise_for_status().json()] == [node.info.node]

        def found() -> bool:
            return node.info.node in other.directory.nodes(NodeKind.ORIGIN)

        not_yet = (httpx.HTTPError,)
        await eventually(registered, 30, "the registration", not_yet=not_yet)
        await eventually(found, 30, "the origin being found")
        for empty in (False, True):
            await agent.kill()
            await eventually(lambda: not other.discovery.reachable, 30, "the outage being noticed")
            assert found()
            assert node.readiness.ready
            if empty:
                agent.empty()
            await agent.start()
            await eventually(registered, 40, "the registration after the outage", not_yet=not_yet)
            await eventually(lambda: other.discovery.reachable, 40, "Consul being back")
            await eventually(found, 30, "the origin being found again")
        node.stop()
        await eventually(lambda: not registered(), 30, "the deregistration", not_yet=not_yet)
