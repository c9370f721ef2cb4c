"""Broadcasts by REST: what is set for one stream, live or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.contracts.records import BroadcastRecord, LadderRung
from rillcast.runtime.ports import Entry
from rillcast.testing.eventually import within
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster

ROOT = "/live/rest/v2/broadcasts"
RUNGS = [{"height": 360, "videoBitrate": 600_000}]
STORED = (LadderRung(height=360, video_bitrate=600_000),)


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def stored(c: Cluster, stream: str = "s1") -> KeptBroadcast | None:
    entry = await c.host.buckets[subjects.BUCKET_BROADCASTS].get(stream_key(LIVE, StreamId(stream)))
    return None if entry is None or entry.value is None else msgspec.json.decode(entry.value, type=KeptBroadcast)


def refusals() -> float:
    return REGISTRY.get_sample_value("rillcast_signaling_refused_inputs_total", {"reason": "broadcast"}) or 0.0


async def test_a_broadcast_is_created_with_rungs_of_its_own_and_shown_before_and_while_it_is_live(c: Cluster) -> None:
    async with c.http() as http:
        created = await http.post(f"{ROOT}/create", json={"streamId": "s1", "name": "x", "encoderSettingsList": RUNGS})
        before = (await http.get(f"{ROOT}/s1")).json()
        await c.go_live("s1")
        live = (await http.get(f"{ROOT}/s1")).json()
        again = await http.post(f"{ROOT}/create", json={"streamId": "s1"})
    async with c.client() as client:
        told = msgspec.json.decode((await client.ask("getBroadcastObject", streamId="s1"))["broadcast"])

    assert created.status_code == 200
    assert created.json() == before
    assert (before["status"], live["status"], told["status"]) == ("created", "broadcasting", "broadcasting")
    assert all(shown["encoderSettingsList"][0]["height"] == 360 for shown in (before, live, told))
    record = await stored(c)
    assert record is not None
    assert (record.encoder_settings_list, record.name, record.date > 0) == (STORED, "x", True)
    assert (again.status_code, again.json()["message"]) == (
        400,
        "Stream id is already being used. Please change stream id or keep it empty",
    )


@pytest.mark.parametrize("body", [b"", b"{}", b'{"streamId": null}', b'{"streamId": ""}'])
async def test_a_broadcast_without_an_id_gets_one(c: Cluster, body: bytes) -> None:
    async with c.http() as http:
        created = (await http.post(f"{ROOT}/create", content=body)).json()
        shown = (await http.get(f"{ROOT}/{created['streamId']}")).json()
    assert shown == created
    assert created["encoderSettingsList"] is None


@pytest.mark.parametrize("live", [True, False])
async def test_a_list_replaces_the_apps_an_empty_one_switches_off_null_gives_back(c: Cluster, live: bool) -> None:
    async with c.http() as http:
        if live:
            await c.go_live("s1")
        else:
            await http.post(f"{ROOT}/create", json={"streamId": "s1"})

        async def put(**body: object) -> object:
            answer = await http.put(f"{ROOT}/s1", json=body)
            assert (answer.status_code, answer.json()["success"]) == (200, True)
            record = await stored(c)
            assert record is not None
            shown = (await http.get(f"{ROOT}/s1")).json()["encoderSettingsList"]
            assert msgspec.convert(shown, tuple[LadderRung, ...] | None) == record.encoder_settings_list
            return record.encoder_settings_list

        assert await put(encoderSettingsList=RUNGS) == STORED
        assert await put(name="kept") == STORED
        assert await put(encoderSettingsList=[]) == ()
        assert await put(encoderSettingsList=None) is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"encoderSettingsList": [{"height": 0, "videoBitrate": 500_000}]}, "height is 0"),
        ({"encoderSettingsList": [{"height": 360, "videoBitrate": 10**9}]}, "videoBitrate is 1000000000"),
        ({"encoderSettingsList": [{"height": 9 + n, "videoBitrate": 500_000} for n in range(50)]}, "50 rungs"),
        ({"encoderSettingsList": [{"height": 360}]}, "videoBitrate"),
        ({"encoderSettingsList": "480,300000,96000"}, "encoderSettingsList"),
        ([], "object"),
    ],
)
async def test_an_impossible_ladder_of_a_broadcast_is_refused_with_the_reason_and_nothing_changes(
    c: Cluster, body: object, word: str
) -> None:
    async with c.http() as http:
        await http.post(f"{ROOT}/create", json={"streamId": "s1", "encoderSettingsList": RUNGS})
        counted = refusals()
        put = await http.put(f"{ROOT}/s1", json=body)
        created = await http.post(f"{ROOT}/create", json=body)

    for refused in (put, created):
        assert refused.status_code == 400
        assert word in refused.text
    assert refusals() == counted + 2
    record = await stored(c)
    assert record is not None and record.encoder_settings_list == STORED


async def test_what_is_not_there_is_named(c: Cluster) -> None:
    async with c.http() as http:
        unknown = [await http.put(f"{ROOT}/none", json={}), await http.delete(f"{ROOT}/none")]
        nowhere = await http.post("/none/rest/v2/broadcasts/create", json={})
        bad_id = await http.post(f"{ROOT}/create", json={"streamId": "a b"})
        empty = await http.put(f"{ROOT}/none", content=b"")
        missing = await http.get(f"{ROOT}/none")
        no_info = await http.get(f"{ROOT}/none/stream-info")
    assert [(one.status_code, one.json()["success"], one.json()["message"]) for one in unknown] == [
        (200, False, "Broadcast with streamId: none does not exist"),
        (200, False, ""),
    ]
    assert (nowhere.status_code, missing.status_code) == (404, 404)
    assert (bad_id.status_code, bad_id.json()["message"]) == (400, "Stream id is not valid.")
    assert empty.json()["success"] is False
    assert no_info.json() == []


async def test_a_store_that_is_away_is_said_so(c: Cluster) -> None:
    async with c.http() as http:
        await http.post(f"{ROOT}/create", json={"streamId": "s1"})
        c.host.buckets[subjects.BUCKET_BROADCASTS].available = False
        refused = [
            await http.put(f"{ROOT}/s1", json={}),
            await http.post(f"{ROOT}/create", json={}),
            await http.delete(f"{ROOT}/s1"),
        ]
        known = await http.get(f"{ROOT}/s1")
    assert [one.status_code for one in refused] == [503] * 3
    assert known.status_code == 200


async def test_what_another_instance_sets_is_seen_and_listed_with_what_is_live(c: Cluster) -> None:
    await c.go_live("s2")
    bucket = c.host.buckets[subjects.BUCKET_BROADCASTS]
    record = BroadcastRecord(stream_id=StreamId("s1"), encoder_settings_list=STORED)
    await bucket.put(stream_key(LIVE, StreamId("s1")), msgspec.json.encode(record))
    await bucket.put(stream_key(LIVE, StreamId("s3")), b"{")
    async with c.http() as http:

        async def listed() -> list[tuple[str, str]]:
            broadcasts = (await http.get(f"{ROOT}/list/0/10")).json()
            return [(shown["streamId"], shown["status"]) for shown in broadcasts]

        async with within(5, "both broadcasts in the list"):
            while len(await listed()) < 2:
                await asyncio.sleep(0.01)
        assert await listed() == [("s1", "created"), ("s2", "broadcasting")]
        assert (await http.get(f"{ROOT}/list/1/1")).json()[0]["streamId"] == "s2"
        assert (await http.get("/LiveApp/rest/v2/broadcasts/list/0/10")).json() == []
        info = (await http.get(f"{ROOT}/s2/stream-info")).json()
    assert [(one["videoHeight"], one["videoWidth"], one["videoCodec"]) for one in info] == [(720, 1280, "H264")]


def entry(revision: int, *, stream: str = "s1", value: bytes | None = None) -> Entry:
    record = msgspec.json.encode(BroadcastRecord(stream_id=StreamId(stream), encoder_settings_list=STORED))
    return Entry(stream_key(LIVE, StreamId(stream)), record if value is None else value, revision)


def test_old_news_and_nonsense_change_nothing() -> None:
    catalog = BroadcastCatalog()
    assert catalog.apply(entry(5))
    assert catalog.apply(entry(4, value=b'{"streamId":"s1"}'))
    assert not catalog.apply(entry(6, value=b'{"streamId":"other"}'))
    assert not catalog.apply(entry(6, value=b"{"))
    assert not catalog.apply(Entry("no-stream-key", b"{}", 1))
    assert catalog.get(LIVE, StreamId("s1")) == KeptBroadcast(stream_id=StreamId("s1"), encoder_settings_list=STORED)

    assert catalog.apply(Entry(stream_key(LIVE, StreamId("s1")), None, 7))
    assert catalog.get(LIVE, StreamId("s1")) is None
    assert catalog.of_app(LIVE) == ()


def test_no_more_broadcasts_are_kept_than_transcoders_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rillcast.apps.stored.MAX_BROADCASTS", 10)
    monkeypatch.setattr("rillcast.apps.stored.MADE_AT_ONCE", 1)
    catalog = BroadcastCatalog()
    for number in range(10):
        catalog.apply(entry(number + 1, stream=f"s{number}", value=b'{"streamId":"s%d"}' % number))
    assert catalog.full
    assert catalog.apply(entry(11, stream="made-at-once"))
    assert not catalog.apply(entry(12, stream="one-more"))
    assert catalog.apply(entry(13, stream="s0"))
