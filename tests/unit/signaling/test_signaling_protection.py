"""What protects an app: secrets that nobody reads back, and a file that nobody overrules."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.records import AppSettings
from rillcast.testing.kv import FakeKeyValue
from services.signaling.app import Signaling
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.protection import HIDDEN, SECRETS
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster

SETTINGS = "/rest/v2/applications/settings/live"
ALL = "/rillcast/v1/apps/live/settings"
SECRET = "a secret that is long enough for it"
OTHER = "another secret that is long enough too"
NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(AppSettings)}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def test_every_setting_that_sounds_like_a_secret_is_one() -> None:
    words = ("secret", "password", "credential", "secret_key")
    sounding = {name for name in NAMES if any(word in name for word in words)}
    assert sounding - {"turn_credential_life_s"} == SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
async def test_a_secret_is_written_and_never_read(c: Cluster, name: str) -> None:
    key = NAMES[name]
    async with c.http() as http:
        unset = (await http.get(ALL)).json()
        assert (await http.post(SETTINGS, json={key: SECRET})).json()["success"]
        shown = await http.get(ALL)
        elsewhere = (SETTINGS, "/rillcast/v1/openapi.json", "/rillcast/v1/status")
        documents = [shown, *[await http.get(path) for path in elsewhere]]
    assert not unset[key]
    assert shown.json()[key] == HIDDEN
    assert getattr(c.settings_of(LIVE), name) == SECRET
    assert not [answer for answer in documents if SECRET in answer.text]


async def test_settings_posted_back_as_they_were_read_keep_the_secrets(c: Cluster) -> None:
    async with c.http() as http:
        await http.post(SETTINGS, json={"jwtStreamSecretKey": SECRET})
        read = (await http.get(SETTINGS)).json()
        assert (await http.post(SETTINGS, json=read | {"webRTCViewerLimit": 7})).json()["success"]
    settings = c.settings_of(LIVE)
    assert (settings.jwt_stream_secret_key, settings.web_rtc_viewer_limit) == (SECRET, 7)


async def test_an_empty_secret_takes_the_secret_away(c: Cluster) -> None:
    async with c.http() as http:
        await http.post(SETTINGS, json={"jwtStreamSecretKey": SECRET})
        await http.post(SETTINGS, json={"jwtStreamSecretKey": ""})
        assert (await http.get(SETTINGS)).json()["jwtStreamSecretKey"] == ""


@pytest.mark.parametrize(
    ("posted", "message"),
    [
        ({"publishTokenSecret": "short"}, "publishTokenSecret: a secret has at least 32 bytes"),
        ({"jwtSecretKey": "x" * 31}, "jwtSecretKey: a secret has at least 32 bytes"),
        ({"jwtControlEnabled": True}, "jwtControlEnabled: it needs jwtSecretKey or jwksURL"),
        ({"jwksURL": "file:///etc/passwd"}, "jwksURL: it begins with https:// or http://"),
        ({"remoteAllowedCIDR": "me"}, "remoteAllowedCIDR: 'me' does not appear to be an IPv4 or IPv6 network"),
    ],
)
async def test_what_would_protect_nothing_is_refused(c: Cluster, posted: dict[str, object], message: str) -> None:
    async with c.http() as http:
        answer = await http.post(SETTINGS, json=posted)
    assert (answer.status_code, answer.json()["success"], answer.json()["message"]) == (200, False, message)


async def test_defaults_that_nobody_set_are_not_stored(c: Cluster) -> None:
    assert c.host.buckets[subjects.BUCKET_APPS].writes == []


def apps_file(folder: Path, **settings: object) -> str:
    path = folder / "apps.json"
    path.write_text(json.dumps({"live": settings}))
    return str(path)


async def started_with(path: str, stored: AppSettings) -> Cluster:
    """A cluster whose store had settings before it was started with a file."""
    made = Cluster(SignalingSettings(apps_file=path))
    bucket = await made.host.kv(subjects.BUCKET_APPS)
    await bucket.put("live", msgspec.json.encode(stored))
    return made


async def test_a_files_secret_is_in_force_whatever_the_store_had(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = apps_file(tmp_path, publishTokenSecret=SECRET, playTokenSecret=OTHER, webRTCViewerLimit=3)
    made = await started_with(path, AppSettings(app_name=LIVE, web_rtc_viewer_limit=9, play_token_secret=SECRET))
    with caplog.at_level(logging.WARNING):
        async with made.running() as c:
            await c.sees(lambda: len(c.host.buckets[subjects.BUCKET_APPS].writes) == 2)
            settings, bucket = c.settings_of(LIVE), c.host.buckets[subjects.BUCKET_APPS]

    assert (settings.publish_token_secret, settings.play_token_secret) == (SECRET, OTHER)
    assert settings.web_rtc_viewer_limit == 9, "what protects nothing is the store's"
    assert "overrules" in caplog.text and SECRET not in caplog.text
    for_others = msgspec.json.decode((await stored_in(bucket)), type=AppSettings)
    assert for_others.publish_token_secret == SECRET, "instances without the file ask for the token as well"


async def stored_in(bucket: FakeKeyValue) -> bytes:
    entry = await bucket.get("live")
    assert entry is not None and entry.value is not None
    return entry.value


def test_before_the_store_answers_a_files_secret_is_in_force(tmp_path: Path) -> None:
    settings = AppCatalog(["live"], read_apps(apps_file(tmp_path, publishTokenSecret=SECRET))).settings(LIVE)
    assert settings is not None
    assert settings.publish_token_secret == SECRET


async def test_what_a_file_protects_is_changed_in_the_file_alone(tmp_path: Path) -> None:
    async with cluster(apps_file=apps_file(tmp_path, publishTokenSecret=SECRET)) as c, c.http() as http:
        for value in ("", OTHER):
            answer = await http.post(SETTINGS, json={"publishTokenSecret": value})
            assert (answer.json()["success"], "RILLCAST_SIGNALING_APPS_FILE" in answer.text) == (False, True)
        read = (await http.get(SETTINGS)).json()
        assert (await http.post(SETTINGS, json=read | {"webRTCViewerLimit": 5})).json()["success"]
        assert c.settings_of(LIVE).publish_token_secret == SECRET


async def test_what_another_instance_writes_does_not_open_what_a_file_protects(tmp_path: Path) -> None:
    async with cluster(apps_file=apps_file(tmp_path, publishTokenSecret=SECRET)) as c:
        bucket = c.host.buckets[subjects.BUCKET_APPS]
        await bucket.put("live", msgspec.json.encode(AppSettings(app_name=LIVE, web_rtc_viewer_limit=5)))
        await c.sees(lambda: c.settings_of(LIVE).web_rtc_viewer_limit == 5)
        assert c.settings_of(LIVE).publish_token_secret == SECRET


async def test_a_file_with_a_secret_that_is_too_short_stops_the_start(tmp_path: Path) -> None:
    settings = SignalingSettings(apps_file=apps_file(tmp_path, publishTokenSecret="short"))
    with pytest.raises(
        Exception, match=r"RILLCAST_SIGNALING_APPS_FILE: .*publishTokenSecret: a secret has at least 32"
    ):
        read_files(settings)


async def test_every_start_names_the_apps_that_are_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = apps_file(tmp_path, publishTokenSecret=SECRET)
    with caplog.at_level(logging.WARNING):
        async with cluster(apps="live,LiveApp", apps_file=path) as c:
            await c.sees(lambda: len([line for line in caplog.messages if "Everybody may" in line]) == 2)
            service = await Signaling.build(c.settings, c.host, read_files(c.settings))
            await c.sees(lambda: len([line for line in caplog.messages if "Everybody may" in line]) == 4)
            service.operators.hashes.close()
            async with c.http() as http:
                apps = (await http.get("/rillcast/v1/apps")).json()
    assert [(app["app"], app["openTo"]) for app in apps] == [("LiveApp", ["publish", "play"]), ("live", ["play"])]
