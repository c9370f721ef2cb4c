"""Broadcasts by REST as Ant Media's clients know them: their keys, their status, what is taken and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.testing.eventually import within
from tests.integration.signaling.recorded_answers import recorded
from tests.unit.signaling.broadcast_calls import ROOT, becomes, create, end, show
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster

KEYS = list(next(one.json for one in recorded() if one.name == "b-get-s1"))
DELETED = {"success": True, "message": "broadcast is deleted but could not stopped ", "dataId": "", "errorId": 0}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def http(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    async with c.http() as client:
        yield client


async def test_a_broadcast_has_the_71_keys_of_ant_media_and_no_others_live_or_not(
    c: Cluster, http: httpx.AsyncClient
) -> None:
    await create(http, "s1", backupStreamId="slate")
    await c.go_live("s2")
    shown = [await show(http, "s1"), await show(http, "s2")]
    assert [list(one) for one in shown] == [KEYS, KEYS]
    assert len(KEYS) == 71


async def test_a_registered_broadcast_is_finished_after_its_end_and_another_is_gone(
    c: Cluster, http: httpx.AsyncClient
) -> None:
    await create(http, "s1", name="Mine", metaData="m")
    assert (await show(http))["status"] == "created"
    for stream in ("s1", "s2"):
        await c.go_live(stream, started_at_ms=5, name="")
    live = await show(http)
    assert (live["status"], live["name"], live["metaData"], live["startTime"]) == ("broadcasting", "Mine", "m", 5)
    await becomes_stored(c, http, "broadcasting")

    for stream in ("s1", "s2"):
        await end(c, stream)

    await becomes(http, "finished")
    await becomes(http, 404, "s2")
    assert (await show(http))["startTime"] == 5


async def becomes_stored(c: Cluster, http: httpx.AsyncClient, status: str) -> None:
    async with within(5, f"{status} in the store"):
        while True:
            entry = await c.host.buckets[subjects.BUCKET_BROADCASTS].get(stream_key(LIVE, StreamId("s1")))
            if entry is not None and f'"status":"{status}"'.encode() in (entry.value or b""):
                return
            await asyncio.sleep(0.01)


async def test_a_broadcast_whose_origin_is_lost_was_terminated_unexpectedly(
    c: Cluster, http: httpx.AsyncClient
) -> None:
    await create(http, "s1")
    await c.go_live("s1", started_at_ms=5)
    await becomes_stored(c, http, "broadcasting")
    c.service.core.watch.directory._streams.clear()  # as when its lease expired, and nobody said that it ended
    assert (await show(http))["status"] == "terminated_unexpectedly"


async def test_a_status_that_a_client_sets_is_shown_as_that_of_a_stream_that_was_lost(http: httpx.AsyncClient) -> None:
    await create(http, "s1", status="finished")
    assert (await show(http))["status"] == "created"
    await http.put(f"{ROOT}/s1", json={"status": "broadcasting"})
    assert (await show(http))["status"] == "terminated_unexpectedly"
    await http.put(f"{ROOT}/s1", json={"status": "finished"})
    assert (await show(http))["status"] == "finished"


async def test_a_new_broadcast_has_what_its_server_gives(http: httpx.AsyncClient) -> None:
    made = (await http.post(f"{ROOT}/create")).json()
    assert re.fullmatch(r"[A-Za-z0-9]{16}[0-9]{13}", made["streamId"])
    assert made["originAdress"] == "127.0.0.1"
    assert made["rtmpURL"] == f"rtmp://127.0.0.1/live/{made['streamId']}"
    assert (made["speed"], made["zombi"], made["userAgent"], made["endPointList"]) == (0.0, False, "N/A", None)
    assert made["date"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("posted", "kept"),
    [
        ({"name": 5}, "5"),
        ({"name": True}, "true"),
        ({"publicStream": "false"}, False),
        ({"startTime": "12"}, 12),
        ({"width": 1.7}, 1),
        ({"speed": "2"}, 2.0),
        ({"name": None}, None),
        ({"anyoneWatching": True}, False),
        ({"type": "junk"}, "junk"),
        ({"hlsParameters": {"hlsTime": "2"}}, {"hlsTime": "2", "hlsListSize": None, "hlsPlayListType": None}),
    ],
)
async def test_values_are_read_as_leniently_as_by_ant_media(
    http: httpx.AsyncClient, posted: dict[str, Any], kept: object
) -> None:
    await create(http, "s1", **posted)
    assert (await show(http))[next(iter(posted))] == kept


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"foo": 1}', "foo"),
        ('{"publish": "yes"}', "publish"),
        ('{"startTime": "soon"}', "startTime"),
        ('{"hlsParameters": {"foo": 1}}', "foo"),
        ('{"name": {}}', "name"),
        ("[]", "object"),
        ("{", "truncated"),
    ],
)
async def test_what_cannot_be_read_is_named_in_plain_text_and_changes_nothing(
    http: httpx.AsyncClient, body: str, word: str
) -> None:
    await create(http, "s1", name="x")
    before = await show(http)
    json_type = {"Content-Type": "application/json"}
    for answer in (
        await http.put(f"{ROOT}/s1", content=body, headers=json_type),
        await http.post(f"{ROOT}/create", content=body, headers=json_type),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
        assert word in answer.text
    assert await show(http) == before


async def test_what_is_shown_can_be_put_back(http: httpx.AsyncClient) -> None:
    await create(http, "s1", name="x", encoderSettingsList=[{"height": 360, "videoBitrate": 600_000}])
    before = await show(http)
    answer = await http.put(f"{ROOT}/s1", json=before)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert await show(http) == before


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("rtsp://127.0.0.1/x", True),
        ("srt://127.0.0.1:9?streamid=x", True),
        ("udp://239.0.0.1:5000", True),
        (None, False),
        ("ftp://127.0.0.1/x", False),
        ("127.0.0.1/x", False),
        (" rtsp://127.0.0.1/x", False),
        ("rtsp://[", False),
    ],
)
async def test_a_source_needs_an_address(http: httpx.AsyncClient, url: str | None, good: bool) -> None:
    body = {"streamId": "s1", "type": "streamSource", "streamUrl": url}
    answer = await http.post(f"{ROOT}/create", json=body)
    assert answer.status_code == (200 if good else 400)
    assert good or answer.json()["message"] == "Stream url is not valid. "
    assert (await http.post(f"{ROOT}/create", json={"type": "ipCamera"})).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"endPointList": [{"endpointUrl": "rtmp://127.0.0.1/x"}]},
        {"autoStartStopEnabled": True, "type": "streamSource", "streamUrl": "rtsp://127.0.0.1/x"},
        {"mp4Enabled": 1},
        {"webMEnabled": "1"},
        {"maxIdleTime": 9},
        {"publish": False},
        {"listenerHookURL": "hook.example/events"},
    ],
)
async def test_what_would_be_inert_is_refused(http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    key = next(iter(fields))
    answer = await http.post(f"{ROOT}/create", json={"streamId": "s1", **fields})
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert f"{key}: " in answer.json()["message"]
    assert (await show(http))["status"] == 404

    await create(http, "s1", **{name: value for name, value in fields.items() if name != key})
    before = await show(http)
    changed = await http.put(f"{ROOT}/s1", json={key: fields[key], "name": "other"})
    assert (changed.status_code, changed.json()["success"]) == (200, False)
    assert f"{key}: " in changed.json()["message"]
    assert await show(http) == before
    listed = await http.post(f"{ROOT}/create-list", json=[{"streamId": "s2"}, {"streamId": "s3", **fields}])
    assert (listed.status_code, (await show(http, "s2"))["status"]) == (400, 404)


async def test_what_asks_for_nothing_is_taken_and_so_is_what_was_read(c: Cluster, http: httpx.AsyncClient) -> None:
    nothing = {"mp4Enabled": -1, "webMEnabled": 0, "maxIdleTime": 0, "publish": True, "endPointList": []}
    await create(http, "s1", **nothing, type="liveStream", autoStartStopEnabled=True)
    assert (await http.put(f"{ROOT}/s1", json=await show(http))).json()["success"]
    key = stream_key(LIVE, StreamId("old"))
    await c.host.buckets[subjects.BUCKET_BROADCASTS].put(key, b'{"streamId":"old","mp4Enabled":1,"publish":false}')
    await becomes(http, "created", "old")
    assert (await http.put(f"{ROOT}/old", json=await show(http, "old"))).json()["success"]


async def test_a_live_stream_stays_one_and_who_wants_another_type_is_told(http: httpx.AsyncClient) -> None:
    await create(http, "s1")
    await create(http, "source", type="streamSource", streamUrl="rtsp://127.0.0.1/x")
    refused = (await http.put(f"{ROOT}/s1", json={"type": "playlist", "name": "other"})).json()
    assert (refused["success"], refused["message"][:6]) == (False, "type: ")
    assert [(await show(http))[key] for key in ("type", "name")] == ["liveStream", None]
    assert (await http.put(f"{ROOT}/s1", json={"type": "liveStream"})).json()["success"]
    assert (await http.put(f"{ROOT}/source", json={"type": "playlist"})).json()["success"]
    assert (await show(http, "source"))["type"] == "playlist"


async def test_a_body_that_is_one_text_is_the_name_of_a_new_broadcast(http: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    made = await http.post(f"{ROOT}/create", content=b' "x"', headers=headers)
    assert (made.status_code, made.json()["name"]) == (200, "x")
    assert len(made.json()["streamId"]) > 16
    for content in (b"1", b'"', b'"x" 1'):
        refused = await http.post(f"{ROOT}/create", content=content, headers=headers)
        assert (refused.status_code, refused.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert (await http.put(f"{ROOT}/{made.json()['streamId']}", content=b'"x"', headers=headers)).status_code == 400


@pytest.mark.parametrize(
    ("kind", "words"), [("liveStream", "Auto start query needs an IP camera"), ("streamSource", "isn't there")]
)
async def test_nothing_starts_by_itself_and_then_nothing_is_created(
    http: httpx.AsyncClient, kind: str, words: str
) -> None:
    body = {"streamId": "s1", "type": kind, "streamUrl": "rtsp://127.0.0.1/x"}
    answer = await http.post(f"{ROOT}/create?autoStart=true", json=body)
    assert (answer.status_code, answer.json()["success"], words in answer.json()["message"]) == (200, False, True)
    assert (await show(http))["status"] == 404


async def test_of_media_nothing_is_said_to_be_done_that_is_not(c: Cluster, http: httpx.AsyncClient) -> None:
    await create(http, "s1")
    await create(http, "src", type="streamSource", streamUrl="rtsp://127.0.0.1/x")
    for method, path, body in (
        ("POST", "src/start", None),
        ("PUT", "s1/recording/true", None),
        ("POST", "s1/endpoint", {"endpointUrl": "rtmp://127.0.0.1/x"}),
        ("POST", "s1/data", "hello"),
        ("POST", "s1/hls-to-mp4", None),
    ):
        answer = await http.request(method, f"{ROOT}/{path}", json=body)
        assert (answer.status_code, answer.json()["success"]) == (200, False)
        assert re.search("(isn't|aren't) there", answer.json()["message"]), path
    await c.go_live("s1")
    assert (await http.post(f"{ROOT}/s1/stop")).json()["success"] is True
    assert (await http.get(f"{ROOT}/onvif-devices")).status_code == 501


async def test_figures_that_are_not_kept_are_refused_and_never_zero(c: Cluster, http: httpx.AsyncClient) -> None:
    await c.go_live("s1")
    c.report(c.edges[0], viewers=4)
    paths = ("s1/webrtc-client-stats/0/10", "webrtc-send-low-level-stats", "webrtc-receive-low-level-stats")
    assert [(await http.get(f"{ROOT}/{path}")).status_code for path in paths] == [501] * 3
    assert (await http.get(f"{ROOT}/s1/broadcast-statistics")).json() == {
        "totalRTMPWatchersCount": -1,
        "totalHLSWatchersCount": 0,
        "totalWebRTCWatchersCount": 4,
        "totalDASHWatchersCount": 0,
    }


async def test_backups_are_set_and_shown_where_ant_media_has_nothing(http: httpx.AsyncClient) -> None:
    path = "/rillcast/v1/apps/live/broadcasts/s1/backup"
    assert (await http.get(path)).status_code == 404
    await create(http, "s1", backupStreamId="slate")
    assert (await http.get(path)).json()["backupStreamId"] == "slate"
    assert (await http.put(path, json={"backupAfterMs": 700})).json()["backupAfterMs"] == 700
    assert (await http.put(path, json={"backupStreamId": None})).json()["backupStreamId"] is None
    for bad in ({"backupStreamId": "s1"}, {"foo": 1}, {"backupAfterMs": 1}):
        assert (await http.put(path, json=bad)).status_code == 400
    assert json.dumps(await show(http)).find("backup") == -1
