"""Apps that are made and deleted while the cluster runs: what all instances know of them, and what becomes of their
streams and records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.records import AppSettings
from rillcast.testing.eventually import within
from rillcast.testing.kv import FakeKeyValue
from services.signaling.app import Signaling
from services.signaling.core.domain.app_catalog import DELETED, AppCatalog
from services.signaling.core.usecases.app_end import AppRecords
from services.signaling.core.usecases.app_store import MAX_APPS, AppStore
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster
from tests.unit.signaling.two_instances import Pair, pair

APPS = "/rest/v2/applications"
SHOW = AppName("show")
FORM = [("note", (None, b"", None))]
BAD = "Application name is not alphanumeric. Please provide alphanumeric characters"
UNKNOWN = "AppSettings is not available for app: {}. It's not available or it's being initialized"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def two() -> AsyncIterator[Pair]:
    async with pair() as both:
        yield both


def told(answer: httpx.Response) -> tuple[bool, str]:
    """As a `Result` says it; always with the status 200."""
    assert answer.status_code == 200, answer.text
    return answer.json()["success"], answer.json()["message"]


async def names(http: httpx.AsyncClient) -> list[str]:
    found: list[str] = (await http.get(APPS)).json()["applications"]
    return found


@asynccontextmanager
async def origin_that_obeys(c: Cluster, app: str, stream: str) -> AsyncIterator[None]:
    """A session that is closed takes its stream along."""

    async def obey() -> None:
        await c.sees(lambda: bool(c.origin.closed))
        await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(AppName(app), StreamId(stream)))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(obey())
        yield


async def test_a_new_app_is_there_at_once_on_all_instances_and_has_the_defaults(two: Pair) -> None:
    async with two.at(1) as one, two.at(2) as other:
        assert told(await one.post(f"{APPS}/show")) == (True, "")
        await two.sees(lambda: two.other.core.apps.settings(SHOW) is not None)
        assert "show" in await names(one) and await names(one) == await names(other)
        read = (await other.get(f"{APPS}/settings/show")).json()
        created = await other.post("/show/rest/v2/broadcasts/create", json={"streamId": "s1"})
        again = [told(await http.post(f"{APPS}/show")) for http in (one, other)]
        published = await other.post("/show/whip/s1", content=OFFER, headers={"Content-Type": "application/sdp"})
    assert again == [(False, "Application with the same name already exists")] * 2
    assert (read["appName"], read["appStatus"], read["appInstallationTime"] > 0) == ("show", "installed", True)
    assert (created.status_code, published.status_code) == (200, 201)


async def test_of_two_that_make_the_same_app_at_once_one_is_told_that_it_did(two: Pair) -> None:
    async with two.at(1) as one, two.at(2) as other:
        answers = await asyncio.gather(*(http.post(f"{APPS}/show") for http in (one, other) * 5))
    assert sorted(told(answer)[0] for answer in answers) == [False] * 9 + [True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad%20name", BAD),
        ("bad.name", BAD),
        ("b%C3%A9", BAD),
        ("%25", BAD),
        ("..%20", BAD),
        ("system", "'system' means something else on this server, so that no app can be called so"),
        ("REST", "'REST' means something else on this server, so that no app can be called so"),
        ("settings", "'settings' means something else on this server, so that no app can be called so"),
        ("a" * 65, "Application name has 65 characters, at most 64 are possible"),
        ("live", "Application with the same name already exists"),
    ],
)
async def test_an_impossible_name_is_refused_in_words(c: Cluster, name: str, message: str) -> None:
    async with c.http() as http:
        answers = [await http.post(f"{APPS}/{name}"), await http.put(f"{APPS}/{name}", files=FORM)]
    assert [told(answer) for answer in answers] == [(False, message)] * 2
    assert c.host.buckets[subjects.BUCKET_APPS].writes == []


@pytest.mark.parametrize("name", ["a", "A_b-1", "9", "_", "a" * 40, "a" * 64])
async def test_letters_digits_underscores_and_hyphens_are_taken(c: Cluster, name: str) -> None:
    async with c.http() as http:
        assert told(await http.post(f"{APPS}/{name}")) == (True, "")
        assert told(await http.delete(f"{APPS}/{name}")) == (True, "")


@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_a_form_without_a_file_makes_an_app_and_one_with_a_file_is_refused(c: Cluster, size: int) -> None:
    async with c.http() as http:
        refused = told(await http.put(f"{APPS}/show", files=[("file", ("x.war", b"x" * size, "text/plain"))]))
        assert "show" not in await names(http)
        assert told(await http.put(f"{APPS}/show", files=FORM)) == (True, "")
    assert not refused[0]
    assert "no WAR files" in refused[1]


async def test_a_deleted_app_is_gone_from_all_instances_and_its_streams_end(two: Pair) -> None:
    async with two.at(1) as one, two.at(2) as other:
        await one.post(f"{APPS}/show")
        await two.go_live("s1", SHOW)
        await two.go_live("s1")
        await two.sees(lambda: two.other.core.apps.settings(SHOW) is not None)
        async with origin_that_obeys(two, "show", "s1"):
            assert told(await other.delete(f"{APPS}/show")) == (True, "")
        await two.sees(lambda: two.service.core.apps.settings(SHOW) is None)
        assert "show" not in await names(one) + await names(other)
        answers = [await http.get("/show/rest/v2/broadcasts/list/0/10") for http in (one, other)]
        live = [app["name"] for app in (await one.get("/rest/v2/applications-info")).json() if app["liveStreamCount"]]
    assert {(closed.session, closed.reason) for closed in two.origin.closed} == {("p", "stopped")}
    assert [answer.status_code for answer in answers] == [404, 404]
    assert live == ["live"], "streams of other apps go on"


@pytest.mark.parametrize("name", ["NoSuchApp", "a%20b", "%25", "a.b", "%00", "x" * 300])
async def test_what_is_no_app_cannot_be_deleted(c: Cluster, name: str) -> None:
    async with c.http() as http:
        answer = told(await http.delete(f"{APPS}/{name}?deleteDB=true"))
    assert answer == (False, UNKNOWN.format(unquote(name)))
    assert c.host.buckets[subjects.BUCKET_APPS].writes == []


async def test_who_came_in_at_an_instance_that_had_not_heard_of_the_deletion_is_sent_away_too(two: Pair) -> None:
    async with two.at(1) as one:
        await one.post(f"{APPS}/show")
        await two.sees(lambda: two.other.core.apps.settings(SHOW) is not None)
        assert told(await one.delete(f"{APPS}/show")) == (True, "")
        await two.go_live("late", SHOW)
        async with origin_that_obeys(two, "show", "late"):
            pass


async def renew(c: Cluster, key: str) -> None:
    """What an origin does that goes on with its stream."""
    bucket = c.host.buckets[subjects.BUCKET_STREAMS]
    entry = await bucket.get(key)
    while entry is not None and entry.value is not None:
        await bucket.put(key, entry.value)
        await asyncio.sleep(1.0)


async def test_streams_that_cannot_be_ended_are_told_of_and_the_same_request_tries_again(c: Cluster) -> None:
    key = stream_key(SHOW, StreamId("s1"))
    async with c.http() as http:
        await http.post(f"{APPS}/show")
        await c.go_live("s1", SHOW)
        renewing = asyncio.create_task(renew(c, key))
        first = told(await http.delete(f"{APPS}/show"))
        renewing.cancel()
        c.origin.closed.clear()
        async with origin_that_obeys(c, "show", "s1"):
            second = told(await http.delete(f"{APPS}/show"))
        third = told(await http.delete(f"{APPS}/show"))
    assert first == (False, "show is deleted, and 1 of its streams could not be ended yet")
    assert second == (True, "")
    assert third == (False, UNKNOWN.format("show"))


@pytest.mark.parametrize("records", [True, False])
async def test_the_records_of_a_deleted_app_go_if_that_is_wanted(c: Cluster, records: bool) -> None:
    root = "/show/rest/v2/broadcasts"
    async with c.http() as http:
        await http.post(f"{APPS}/show")
        await http.post(f"{APPS}/shows")
        for app in ("show", "shows"):
            await http.post(f"/{app}/rest/v2/broadcasts/create", json={"streamId": "s.1"})
        await http.post(f"{root}/s.1/subscribers", json={"subscriberId": "alice"})
        token = await http.get(f"{root}/s.1/token?expireDate=4102444800&type=play")
        assert told(await http.delete(f"{APPS}/show", params={"deleteDB": str(records).lower()})) == (True, "")
        await http.post(f"{APPS}/show")
        await c.sees(lambda: (c.service.core.broadcasts.of_app(SHOW) == ()) is records)
        left = [
            [one["streamId"] for one in (await http.get(f"{root}/list/0/10")).json()],
            (await http.get(f"{root}/s.1/subscribers/list/0/10")).json(),
            (await http.get(f"{root}/s.1/tokens/list/0/10")).json(),
        ]
        others = (await http.get("/shows/rest/v2/broadcasts/list/0/10")).json()
    assert token.status_code == 200
    assert [bool(one) for one in left] == [not records] * 3
    assert [one["streamId"] for one in others] == ["s.1"], "of an app whose name begins alike"


async def test_settings_go_with_the_app(c: Cluster) -> None:
    async with c.http() as http:
        await http.post(f"{APPS}/show")
        await http.post(f"{APPS}/settings/show", json={"webRTCViewerLimit": 5})
        await http.delete(f"{APPS}/show")
        late = await http.post(f"{APPS}/settings/show", json={"webRTCViewerLimit": 7})
        await http.post(f"{APPS}/show")
        assert (await http.get(f"{APPS}/settings/show")).json()["webRTCViewerLimit"] == -1
    assert late.status_code == 404


async def test_transcoders_are_told_that_an_app_is_gone(c: Cluster) -> None:
    ladders = c.host.buckets[subjects.BUCKET_LADDERS]

    async def has_one() -> bool:
        entry = await ladders.get(SHOW)
        return entry is not None and entry.value is not None

    async with c.http() as http:
        await http.post(f"{APPS}/show")
        await c.sees(lambda: any(key == SHOW for key, *_ in ladders.writes))
        assert await has_one()
        await http.delete(f"{APPS}/show")
        async with within(10.0, "the ladder to be forgotten"):
            while await has_one():
                await asyncio.sleep(0.1)


async def test_a_change_that_comes_late_at_another_instance_does_not_bring_a_deleted_app_back() -> None:
    bucket, late = FakeKeyValue("apps"), AppCatalog(["live"], {})
    here, there = AppStore(bucket, AppCatalog(["live"], {})), AppStore(bucket, late)
    assert await here.create(SHOW)
    for entry in await bucket.entries():
        late.apply(entry)
    assert await here.delete(SHOW)

    with pytest.raises(RillcastError, match="there is no app 'show'"):
        await there.change(SHOW, Patch.parse(b"{}"))
    assert await bucket.get(SHOW) is None


async def test_an_app_that_was_there_from_the_start_is_deleted_for_good_and_may_be_made_again(c: Cluster) -> None:
    async with c.http() as http:
        assert told(await http.delete(f"{APPS}/live")) == (True, "")
        again = told(await http.delete(f"{APPS}/live"))
        assert "live" not in await names(http)
        restarted = await Signaling.build(c.settings, c.host, read_files(c.settings))
        known = restarted.core.apps.settings(AppName("live"))
        restarted.operators.hashes.close()
        assert told(await http.post(f"{APPS}/live")) == (True, "")
        assert "live" in await names(http)
    assert again == (False, UNKNOWN.format("live"))
    assert known is None, "a restart does not bring it back"


async def test_what_the_file_names_is_deleted_in_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "apps.json"
    path.write_text(json.dumps({"show": {"webRTCViewerLimit": 3}}))
    async with cluster(apps_file=str(path)) as c, c.http() as http:
        refused = told(await http.delete(f"{APPS}/show"))
        assert "show" in await names(http)
    assert refused == (False, "show: it is in RILLCAST_SIGNALING_APPS_FILE; take it out there")


async def test_what_the_file_names_is_there_though_it_was_deleted_before_the_file_named_it() -> None:
    given = {SHOW: AppSettings(app_name=SHOW, play_token_control_enabled=True)}
    bucket, catalog = FakeKeyValue("apps"), AppCatalog([], given)
    await bucket.put(SHOW, DELETED)
    store = AppStore(bucket, catalog)
    await store.load()
    assert catalog.settings(SHOW) == given[SHOW]


async def test_no_more_apps_are_made_than_the_cluster_keeps() -> None:
    catalog = AppCatalog([f"a{n}" for n in range(MAX_APPS)], {})
    with pytest.raises(RillcastError) as refused:
        await AppStore(FakeKeyValue("apps"), catalog).create(SHOW)
    assert refused.value.code is ErrorCode.HIGH_RESOURCE_USAGE


async def test_reset_counts_the_broadcasts_and_keeps_them(c: Cluster) -> None:
    async with c.http() as http:
        for stream in ("s1", "s2"):
            await http.post("/live/rest/v2/broadcasts/create", json={"streamId": stream})
        await c.go_live("s2")
        await c.go_live("s3")
        answers = [told(await http.post(f"{APPS}/{app}/reset")) for app in ("live", "NoSuchApp")]
        kept = (await http.get("/live/rest/v2/broadcasts/list/0/10")).json()
    assert answers == [
        (True, "Successfull operations: 3"),
        (False, "No application adaptor with this name NoSuchApp"),
    ]
    assert len(kept) == 3


async def test_the_lists_say_what_is_live_and_who_watches(c: Cluster) -> None:
    await c.go_live("s1")
    await c.go_live("s2", media_flowing=False, tracks=())
    c.report(c.edges[0], viewers=4)
    async with c.http() as http:
        infos: list[dict[str, Any]] = (await http.get("/rest/v2/applications-info")).json()
        live = (await http.get(f"{APPS}/live-streams/live")).json()
        none = (await http.get(f"{APPS}/live-streams/LiveApp")).json()
        unknown = await http.get(f"{APPS}/live-streams/NoSuchApp")
    by_name = {info.pop("name"): info for info in infos}
    assert by_name["live"] == {"liveStreamCount": 1, "vodCount": 0, "storage": 0}
    assert (live, none, unknown.status_code) == ([{"name": "s1", "watcherCount": 4}], [], 404)


async def test_records_of_many_streams_are_forgotten_and_those_of_others_are_not() -> None:
    bucket = FakeKeyValue("broadcasts")
    for n in range(100):
        await bucket.put(f"show/s{n}", b"{}")
    for key in ("show2/s1", "shows/s1", "other/show"):
        await bucket.put(key, b"{}")
    assert await AppRecords([bucket]).forget(SHOW) == 100
    assert sorted(entry.key for entry in await bucket.entries()) == ["other/show", "show2/s1", "shows/s1"]


async def test_without_the_store_nothing_is_made_and_nothing_deleted(c: Cluster) -> None:
    c.host.buckets[subjects.BUCKET_APPS].available = False
    async with c.http() as http:
        answers = [await http.post(f"{APPS}/show"), await http.delete(f"{APPS}/live")]
        assert "live" in await names(http)
    assert [answer.status_code for answer in answers] == [503, 503]
