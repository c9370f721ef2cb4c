"""When subscribers connected and disconnected: kept by one signaling instance, told by another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.access_records import ConnectionsRecord
from rillcast.contracts.ids import NodeId, StreamId
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.core.usecases import connection_log
from services.signaling.core.usecases.subscriber_store import subscriber_key
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.two_instances import Pair, pair

ROOT = "/live/rest/v2/broadcasts/s1"
KEY = subscriber_key(LIVE, StreamId("s1"), "alice")


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        await both.protect(writeSubscriberEventsToDatastore=True)
        await both.go_live()
        yield both


async def kept(c: Pair) -> ConnectionsRecord | None:
    entry = await c.host.buckets[subjects.BUCKET_CONNECTIONS].get(KEY)
    return msgspec.json.decode(entry.value or b"", type=ConnectionsRecord) if entry is not None else None


async def connects(c: Pair, subscriber: str = "alice", instance: int = 1) -> Any:
    """The session and its edge, once it runs."""
    known = {request.session for request in c.played}
    assert (await c.whip(instance, kind="whep", subscriberId=subscriber)).status_code == 201
    session = next(request.session for request in c.played if request.session not in known)
    edge = c.edge_of(session)
    await edge.tell(session, state=SessionState.CONNECTED)
    await c.sees(lambda: any(one.started and one.hold.session == session for one in c.service.core.grants.known()))
    await c.service.core.tasks.settle(5.0)
    return edge, session


async def events(c: Pair, query: str = "", page: str = "0/10", instance: int = 2) -> list[dict[str, Any]]:
    async with c.at(instance) as http:
        answer = await http.get(f"{ROOT}/connection-events/{page}{query}")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_any_instance_tells_when_a_subscriber_connected_and_disconnected(c: Pair) -> None:
    edge, session = await connects(c)
    await c.sees(lambda: c.other.core.connections.open(LIVE, StreamId("s1"), "alice"))
    async with c.at(2) as http:
        await http.post(f"{ROOT}/subscribers", json={"subscriberId": "alice"})
        listed = (await http.get(f"{ROOT}/subscribers/list/0/10")).json()
    assert (listed[0]["connected"], listed[0]["currentConcurrentConnections"]) == (True, 1)
    assert listed[0]["registeredNodeIp"] == "192.0.2.7"

    await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.STOPPED)
    await c.sees(lambda: not len(c.service.core.grants))
    await c.service.core.tasks.settle(5.0)
    await c.sees(lambda: not c.other.core.connections.open(LIVE, StreamId("s1"), "alice"))
    told = await events(c)
    assert [event.pop("eventType") for event in told] == ["connected", "disconnected"]
    assert told[0].pop("timestamp") <= told[1].pop("timestamp")
    assert (
        told[0]
        == told[1]
        == {
            "instanceIP": "192.0.2.7",
            "type": "play",
            "eventProtocol": "webrtc",
            "streamId": "s1",
            "subscriberId": "alice",
        }
    )
    assert await events(c, "?subscriberId=bob") == []
    assert len(await events(c, "?subscriberId=alice", "1/10")) == 1


async def test_what_a_dead_instance_had_open_is_disconnected_by_another(c: Pair) -> None:
    await connects(c)
    await c.sees(lambda: c.other.core.connections.open(LIVE, StreamId("s1"), "alice"))

    def nobody_lives(node: NodeId, incarnation: str) -> bool:
        return False

    await c.other.core.connections.sweep(nobody_lives, c.other.core.grants.now_ms())

    record = await kept(c)
    assert record is not None
    assert [change.connected for change in record.changes] == [True, False]
    assert record.open == ()


async def test_a_session_that_never_ran_leaves_no_trace(c: Pair) -> None:
    assert (await c.whip(1, kind="whep", subscriberId="alice")).status_code == 201
    session = c.played[-1].session
    await c.edge_of(session).tell(session, state=SessionState.CLOSED, reason=EndReason.HANDSHAKE_TIMEOUT)
    await c.sees(lambda: not len(c.service.core.grants))
    assert await events(c) == []


async def test_nothing_is_kept_where_the_app_does_not_ask_for_it(c: Pair) -> None:
    await c.protect()
    await connects(c)
    assert await kept(c) is None


async def test_the_oldest_changes_of_a_subscriber_go_first(c: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_log, "MAX_CHANGES", 2)
    for _ in range(2):
        edge, session = await connects(c)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.STOPPED)
        await c.sees(lambda: not len(c.service.core.grants))
        await c.service.core.tasks.settle(5.0)
    record = await kept(c)
    assert record is not None
    assert [change.connected for change in record.changes] == [True, False]


async def test_more_subscribers_than_are_kept_are_counted(c: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> float:
        labels = {"kind": "connections"}
        return REGISTRY.get_sample_value("rillcast_signaling_access_records_full_total", labels) or 0.0

    monkeypatch.setattr(connection_log, "MAX_SUBSCRIBERS", 1)
    before = counted()
    await connects(c, "alice")
    await connects(c, "bob")
    assert counted() - before == 1
    assert {event["subscriberId"] for event in await events(c, instance=1)} == {"alice"}


async def test_what_a_session_was_sent_is_told_as_an_average(c: Pair) -> None:
    edge, session = await connects(c)
    for video in (1_000_000, 2_000_000):
        await edge.tell(session, target_bitrate_bps=3_000_000, video_bitrate_bps=video, audio_bitrate_bps=48_000)
    await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.STOPPED)
    await c.sees(lambda: not len(c.service.core.grants))
    await c.service.core.tasks.settle(5.0)
    await c.sees(lambda: any(c.other.core.connections.averages(LIVE, StreamId("s1"), "alice")))
    async with c.at(2) as http:
        await http.post(f"{ROOT}/subscribers", json={"subscriberId": "alice"})
        listed = (await http.get(f"{ROOT}/subscribers/list/0/10")).json()
    assert (listed[0]["avgVideoBitrate"], listed[0]["avgAudioBitrate"]) == (1_500_000, 48_000)
