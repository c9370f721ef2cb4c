"""REST and status, asked in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.status import ClusterStatus
from rillcast.contracts.words import LicenseState
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_who_is_not_allowed_is_refused() -> None:
    async with cluster(remote_allowed_cidr="192.0.2.0/24") as c, c.http() as http:
        answers = [
            await http.get(path)
            for path in ("/rest/v2/version", "/rillcast/v1/status", "/live/rest/v2/broadcasts/list/0/5")
        ]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert all("Not allowed IP" in answer.text for answer in answers)


async def test_version_and_edition(c: Cluster) -> None:
    async with c.http() as http:
        version = (await http.get("/rest/v2/version")).json()
        edition = (await http.get("/rest/v2/enterprise-edition")).json()

    assert version["versionType"] == "Enterprise Edition"
    assert version["versionName"]
    assert edition["success"] is True


async def test_nodes_are_listed_in_pages(c: Cluster) -> None:
    async with c.http() as http:
        first = (await http.get("/rest/v2/cluster/nodes/0/2")).json()
        rest = (await http.get("/rest/v2/cluster/nodes/2/50")).json()
        negative = (await http.get("/rest/v2/cluster/nodes/-1/-1")).json()
        nonsense = await http.get("/rest/v2/cluster/nodes/a/b")

    assert [node["id"] for node in first + rest] == ["edge-1", "edge-2", "origin-1"]
    assert first[0]["status"] == "alive"
    assert "dbQueryAveargeTimeMs" in first[0]
    assert negative == []
    assert nonsense.status_code == 404


async def test_live_streams_are_shown_as_broadcasts(c: Cluster) -> None:
    await c.go_live("s1")
    await c.go_live("s2")
    c.report(c.edges[0], viewers=4)
    async with c.http() as http:
        one = (await http.get("/live/rest/v2/broadcasts/s1")).json()
        listed = (await http.get("/live/rest/v2/broadcasts/list/0/10")).json()
        others = (await http.get("/LiveApp/rest/v2/broadcasts/list/0/10")).json()
        missing = await http.get("/live/rest/v2/broadcasts/none")

    assert one["streamId"] == "s1"
    assert one["status"] == "broadcasting"
    assert (one["webRTCViewerCount"], one["height"], one["originAdress"]) == (4, 720, "192.0.2.7")
    assert [broadcast["streamId"] for broadcast in listed] == ["s1", "s2"]
    assert others == []
    assert missing.status_code == 404


async def test_the_license_is_shown_once_it_is_known(c: Cluster) -> None:
    async with c.http() as http:
        unknown = await http.get("/rest/v2/licence-status?key=x")
        await c.license_is(LicenseState.VALID)
        await c.service.core.license.refresh()
        known = (await http.get("/rest/v2/last-licence-status")).json()

        by_id = (await http.get("/rest/v2/licence-status?key=L1")).json()
        ours = (await http.get("/rillcast/v1/license")).json()
        edition = (await http.get("/rest/v2/enterprise-edition")).json()

    assert unknown.status_code == 204
    assert known == by_id
    assert known == {
        "licenceId": "L1",
        "startDate": None,
        "endDate": "2033-05-18",
        "type": "cluster",
        "licenceCount": "9",
        "owner": "Us",
        "status": "valid",
        "hourUsed": "41",
    }
    assert (ours["limit_total"], ours["used_by_kind"]) == (9, {"edge": 2})
    assert edition["success"] is True


async def test_any_license_document_can_be_looked_at_and_its_refusal_is_a_status(c: Cluster) -> None:
    await c.license_is(LicenseState.VALID)
    async with c.http() as http:
        nobody = await http.get("/rest/v2/licence-status?key=some.other.document")
        await c.checks_documents()
        good = (await http.get("/rest/v2/licence-status?key=some.other.document")).json()
        bad = (await http.get("/rest/v2/licence-status?key=garbage")).json()
    assert nobody.status_code == 503
    assert (good["licenceId"], good["status"]) == ("some", "valid")
    assert (bad["licenceId"], bad["status"]) == ("", "invalid")


async def test_the_usage_report_is_handed_through_and_a_wrong_day_is_named(c: Cluster) -> None:
    await c.reports_usage()
    async with c.http() as http:
        usage = (await http.get("/rillcast/v1/license/usage?from=2026-09-01&to=2026-09-14")).json()
        wrong = await http.get("/rillcast/v1/license/usage?from=soon")
    assert (usage["report"]["first_day"], usage["report"]["node_hours"], usage["signed"]) == (
        "2026-09-01",
        {"edge": 2.5},
        "a.b.c",
    )
    assert (wrong.status_code, "soon" in wrong.text) == (400, True)


async def test_status_shows_nodes_streams_and_viewers(c: Cluster) -> None:
    await c.go_live()
    c.report(c.edges[0], viewers=2)
    async with c.http() as http:
        status = msgspec.json.decode((await http.get("/rillcast/v1/status")).content, type=ClusterStatus)

    assert sorted(report.info.node for report in status.nodes) == ["edge-1", "edge-2", "origin-1"]
    assert (status.streams[0].codecs, status.streams[0].renditions) == (("H264", "opus"), (720,))
    assert status.viewers == status.streams[0].viewers == 2


async def test_settings_are_read_and_changed_key_by_key(c: Cluster) -> None:
    path = "/rest/v2/applications/settings/live"
    async with c.http() as http:
        posted = {
            "webRTCViewerLimit": 5,
            "unknownKey": 1,
            "encoderSettings": [{"height": 360, "videoBitrate": 500_000}],
        }
        changed = await http.post(path, json=posted)
        await http.post(path, json={"ingestingStreamLimit": 7, "appName": "other"})
        await c.sees(lambda: getattr(c.service.core.apps.settings(LIVE), "ingesting_stream_limit", 0) == 7)
        read = (await http.get(path)).json()
        bad = await http.post(path, json={"webRTCViewerLimit": "many"})
        broken = await http.post(path, content=b"{")
        unknown = await http.get("/rest/v2/applications/settings/none")
        nowhere = await http.post("/rest/v2/applications/settings/none", json={})

    assert changed.json()["success"] is True
    assert (read["webRTCViewerLimit"], read["appName"], read["encoderSettings"][0]["height"]) == (5, "live", 360)
    assert bad.status_code == broken.status_code == 400
    assert bad.text == 'webRTCViewerLimit: it is a whole number, not "many"'
    assert unknown.status_code == 204
    assert nowhere.status_code == 404


@pytest.mark.parametrize("spelling", ["stunServerURI", "stunServerUri"])
async def test_the_stun_server_is_shown_in_ant_medias_spelling_and_set_in_either(c: Cluster, spelling: str) -> None:
    path, server = "/rest/v2/applications/settings/live", "turn:relay.example:3478"
    async with c.http() as http:
        relay = {spelling: server, "turnServerUsername": "u", "turnServerCredential": "w"}
        assert (await http.post(path, json=relay)).json()["success"]
        read = (await http.get(path)).json()
        refused = await http.post(path, json={spelling: 5})
        assert (await http.post(path, json=read)).json()["success"], "what was read can be posted"
    async with c.client() as client:
        told = await client.ask("getIceServerConfig")

    assert read["stunServerURI"] == told["stunServerUri"] == server
    assert "stunServerUri" not in read
    assert (refused.status_code, refused.json()["success"]) == (200, False)


@pytest.mark.parametrize(
    "spelled",
    [
        ("stunServerURI", "turnServerUsername", "turnServerCredential"),
        ("stunServerUri", "turnServerUsername", "turnServerCredential"),
        ("settings.webrtc.stunServerURI", "settings.webrtc.turnServerUsername", "settings.webrtc.turnServerCredential"),
        ("stunserveruri", "TurnServerUserName", "turnservercredential"),
    ],
)
async def test_a_turn_server_is_set_in_each_of_ant_medias_spellings(c: Cluster, spelled: tuple[str, str, str]) -> None:
    path, values = "/rest/v2/applications/settings/live", ("turn:relay.example:3478", "north", "star")
    async with c.http() as http:
        assert (await http.post(path, json=dict(zip(spelled, values, strict=True)))).json()["success"]
        link = (await http.options("/live/whip/s1")).headers["link"]
    async with c.client() as client:
        told = await client.ask("getIceServerConfig")

    assert (told["stunServerUri"], told["turnServerUsername"], told["turnServerCredential"]) == values
    assert link == (
        '<turn:relay.example:3478>; rel="ice-server"; username="north"; credential="star"; credential-type="password"'
    )


@pytest.mark.parametrize(
    ("posted", "word"),
    [
        ({"turnServerURI": "turn:relay.example"}, "turnServerURI: there is no such setting; stunServerURI takes"),
        ({"settings.webrtc.turnServerUrl": "x"}, "there is no such setting; stunServerURI takes"),
        ({"StunServer": "x"}, "there is no such setting"),
        ({"stunServerURI": "relay.example"}, "no address of a STUN or TURN server"),
        ({"stunServerURI": "turn:a.example, turn:b.example"}, "no address of a STUN or TURN server"),
        ({"stunServerURI": "turn:a.example:70000"}, "no address of a STUN or TURN server"),
        ({"stunServerURI": "stun:a.example?transport=udp"}, "no address of a STUN or TURN server"),
    ],
)
async def test_an_ice_server_that_nobody_would_be_told_of_is_refused(
    c: Cluster, posted: dict[str, str], word: str
) -> None:
    async with c.http() as http:
        answer = await http.post("/rest/v2/applications/settings/live", json=posted)
        none = await http.post("/rest/v2/applications/settings/live", json={"stunServerURI": ""})

    assert (answer.json()["success"], word in answer.json()["message"]) == (False, True)
    assert none.json()["success"], "an app may have none"


@pytest.mark.parametrize(
    ("rungs", "word"),
    [
        ([{"height": 0, "videoBitrate": 500_000}], "height is 0"),
        ([{"height": 360, "videoBitrate": 10**9}], "videoBitrate is 1000000000"),
        ([{"height": 100 + n, "videoBitrate": 500_000} for n in range(50)], "50 rungs"),
    ],
)
async def test_an_impossible_ladder_is_refused_with_the_reason(
    c: Cluster, rungs: list[dict[str, int]], word: str
) -> None:
    path = "/rest/v2/applications/settings/live"
    async with c.http() as http:
        refused = await http.post(path, json={"encoderSettings": rungs})
        kept = (await http.get(path)).json()["encoderSettings"]

    assert (refused.status_code, refused.json()["success"]) == (200, False)
    assert word in refused.json()["message"]
    assert kept == []


async def test_a_viewer_limit_counts_the_whole_cluster(c: Cluster) -> None:
    await c.go_live()
    async with c.http() as http:
        await http.post("/rest/v2/applications/settings/live", json={"webRTCViewerLimit": 3, "ingestingStreamLimit": 1})
    await c.sees(lambda: getattr(c.service.core.apps.settings(LIVE), "web_rtc_viewer_limit", 0) == 3)
    c.report(c.edges[0], viewers=1)
    c.report(c.edges[1], viewers=2)
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "viewerLimitReached"
        assert (await client.ask("publish", streamId="s2"))["definition"] == "highResourceUsage"
        assert (await client.ask("publish", streamId="s1"))["command"] == "start"


async def test_of_publishers_that_come_at_once_no_more_than_the_limit_are_let_in(c: Cluster) -> None:
    async with c.http() as http:
        await http.post("/rest/v2/applications/settings/live", json={"ingestingStreamLimit": 3})
        await c.sees(lambda: getattr(c.service.core.apps.settings(LIVE), "ingesting_stream_limit", 0) == 3)
        offer, sdp = b"v=0\r\n", {"Content-Type": "application/sdp"}
        answers = [await http.post(f"/live/whip/many-{n}", content=offer, headers=sdp) for n in range(10)]
        again = await http.post("/live/whip/many-0", content=offer, headers=sdp)
        for left in (answers[0], again):
            await http.delete(left.headers["location"])
        another = await http.post("/live/whip/many-9", content=offer, headers=sdp)

    assert [answer.status_code for answer in answers] == [201] * 3 + [503] * 7
    assert again.status_code == 201, "whoever was let in may try anew"
    assert another.status_code == 201, "whoever leaves makes room"


async def test_the_store_gets_the_settings_this_instance_was_started_with(tmp_path: Path) -> None:
    file = tmp_path / "apps.json"
    file.write_text('{"live": {"encoderSettings": [{"height": 360, "videoBitrate": 500000}]}}')
    async with cluster(apps_file=str(file)) as c:
        bucket = c.host.buckets[subjects.BUCKET_APPS]
        await c.sees(lambda: any(key == "live" for key, _ in bucket.writes))
        entry = await bucket.get("live")

    assert entry is not None
    assert entry.value is not None
    assert msgspec.json.decode(entry.value)["encoderSettings"][0]["height"] == 360


@pytest.mark.parametrize("nonsense", [b"{", b'{"appName": 5}', b'{"x": ' + b"[" * 50_000, b'{"appName":"\xff"}'])
async def test_settings_and_broadcasts_that_make_no_sense_in_the_store_are_mended_by_the_next_change(
    c: Cluster, nonsense: bytes
) -> None:
    apps, broadcasts = (c.host.buckets[name] for name in (subjects.BUCKET_APPS, subjects.BUCKET_BROADCASTS))
    async with c.http() as http:
        await apps.put("live", nonsense)
        await broadcasts.put("live/s1", nonsense)
        answers = [
            await http.post("/rest/v2/applications/settings/live", json={"webRTCViewerLimit": 5}),
            await http.put("/live/rest/v2/broadcasts/s1", json={"encoderSettingsList": []}),
        ]
        settings = await apps.get("live")
        broadcast = await broadcasts.get("live/s1")

    assert [(answer.status_code, answer.json()["success"]) for answer in answers] == [(200, True)] * 2
    assert settings is not None
    assert msgspec.json.decode(settings.value or b"")["webRTCViewerLimit"] == 5
    assert broadcast is not None
    mended = msgspec.json.decode(broadcast.value or b"")
    assert (mended["streamId"], mended["encoderSettingsList"]) == ("s1", [])


async def test_changed_settings_are_read_back_at_once_by_the_instance_that_changed_them(c: Cluster) -> None:
    path = "/rest/v2/applications/settings/live"
    async with c.http() as http:
        for limit in range(1, 30):
            await http.post(path, json={"webRTCViewerLimit": limit})
            assert (await http.get(path)).json()["webRTCViewerLimit"] == limit


async def test_every_answer_forbids_sniffing(c: Cluster) -> None:
    async with c.http() as http:
        answer, _ = await asyncio.gather(http.get("/nothing"), http.get("/rest/v2/version"))
    assert answer.headers["x-content-type-options"] == "nosniff"
