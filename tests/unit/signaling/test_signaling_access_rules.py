"""Which settings of access are taken, from REST and from a file, and what holds before anybody comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.testing.bus import FakeBroker
from services.signaling.app import Signaling
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps
from services.signaling.core.domain.access_rules import AccessRefused, given_access
from services.signaling.core.domain.app_catalog import changed_settings
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import LIVE, OFFER, FakeHost
from tests.unit.signaling.signaling_harness import cluster

SECRET = "a secret of at least thirty-two bytes"
OTHER = "another secret that is long enough too"
ACCESS_WORDS = ("token", "jw", "hash", "webhook", "accept_only", "secret", "cidr", "filter")


def changed(**posted: Any) -> AppSettings:
    return changed_settings(AppSettings(app_name=LIVE), Patch.parse(msgspec.json.encode(posted)))


@pytest.mark.parametrize(
    ("posted", "named"),
    [
        ({"publishJwtControlEnabled": True}, "jwtStreamSecretKey"),
        ({"publishJwtControlEnabled": True, "jwtStreamSecretKey": "short"}, "jwtStreamSecretKey"),
        ({"publishTokenSecret": "short"}, "publishTokenSecret"),
        ({"hashControlPlayEnabled": True}, "tokenHashSecret"),
        ({"enableTimeTokenForPlay": True, "timeTokenSecretForPlay": "short"}, "timeTokenSecretForPlay"),
        ({"playTokenControlEnabled": True, "playJwtControlEnabled": True, "jwtStreamSecretKey": SECRET}, "at once"),
        ({"webhookAuthenticateURL": "ftp://a.example"}, "webhookAuthenticateURL"),
        ({"webhookPlayAuthUrl": "http://"}, "webhookPlayAuthUrl"),
        ({"webhookPlayAuthUrl": "http://a:99999999/"}, "webhookPlayAuthUrl"),
        ({"acceptOnlyRoomsInDataStore": True}, "acceptOnlyRoomsInDataStore"),
        ({"jwtControlEnabled2": True}, "jwtControlEnabled2"),
        ({"playTokenControlEnable": True}, "playTokenControlEnable"),
        ({"publishTokenControlEnabld": 1}, "publishTokenControlEnabld"),
        ({"allowedPublisherCIDR": "10.0.0.0/8"}, "allowedPublisherCIDR"),
        ({"blockedAddresses": ["192.0.2.1"]}, "blockedAddresses"),
        ({"tokenSecrets": {"a": 1}}, "tokenSecrets"),
    ],
)
def test_what_could_not_be_obeyed_is_refused_by_name(posted: dict[str, Any], named: str) -> None:
    with pytest.raises(AccessRefused) as caught:
        changed(**posted)
    said = str(caught.value)
    assert named in said
    assert SECRET not in said


def test_what_asks_for_nothing_is_taken_as_clients_send_it() -> None:
    settings = changed(
        acceptOnlyRoomsInDataStore=False,
        allowedPublisherCIDR="",
        secureAnalyticEndpoint=False,
        timeTokenSecretForPlay=None,
        subscriberAuthenticationKey="random",
        hlsMuxingEnabled=True,
        webhookRetryCount=3,
        webRTCViewerLimit=7,
    )
    assert settings.web_rtc_viewer_limit == 7


def test_every_setting_of_access_counts_as_given_when_a_file_gives_it() -> None:
    fields = [one for one in msgspec.structs.fields(AppSettings) if any(word in one.name for word in ACCESS_WORDS)]
    assert len(fields) >= 18
    for field in fields:
        if field.name == "time_token_period":
            continue
        value = {bool: True, int: 5}.get(
            field.type if isinstance(field.type, type) else str, 5 if "life" in field.name else "x"
        )
        settings = msgspec.structs.replace(AppSettings(app_name=LIVE), **{field.name: value})
        assert given_access(settings) == {field.name: value}


def test_a_file_with_what_cannot_be_obeyed_stops_the_start(tmp_path: Path) -> None:
    for name, fields in (("switch", {"hashControlPlayEnabled": True}), ("typo", {"playTokenSecrets": SECRET})):
        path = tmp_path / name
        path.write_bytes(msgspec.json.encode({"live": fields}))
        with pytest.raises(ValueError, match="live"):
            read_apps(str(path))


async def answer_without_token(signaling: Signaling) -> int:
    transport = httpx.ASGITransport(signaling.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080") as http:
        answer = await http.post("/live/whip/s1", content=OFFER, headers={"Content-Type": "application/sdp"})
    return answer.status_code


async def test_a_protected_app_is_protected_from_the_first_moment() -> None:
    host = FakeHost(FakeBroker())
    bucket = await host.kv(subjects.BUCKET_APPS)
    await bucket.put("live", msgspec.json.encode({"appName": "live", "publishTokenSecret": SECRET}))
    settings = SignalingSettings()
    signaling = await Signaling.build(settings, host, read_files(settings))
    try:
        assert await answer_without_token(signaling) == 401
    finally:
        signaling.operators.hashes.close()
        await signaling.core.tasks.close()
        await host.close()


async def test_a_files_secret_wins_over_what_the_store_has(tmp_path: Path) -> None:
    file = tmp_path / "apps.json"
    file.write_bytes(msgspec.json.encode({"live": {"publishTokenSecret": SECRET, "webRTCViewerLimit": 3}}))
    host = FakeHost(FakeBroker())
    bucket = await host.kv(subjects.BUCKET_APPS)
    await bucket.put("live", msgspec.json.encode({"appName": "live", "webRTCViewerLimit": 9}))
    settings = SignalingSettings(apps_file=str(file))
    signaling = await Signaling.build(settings, host, read_files(settings))
    try:
        assert await answer_without_token(signaling) == 401
        entry = await bucket.get("live")
        assert entry is not None
        assert entry.value is not None
        stored = msgspec.json.decode(entry.value, type=AppSettings)
        assert stored.publish_token_secret == SECRET
        assert stored.web_rtc_viewer_limit == 9, "REST may have set what protects nothing"
    finally:
        signaling.operators.hashes.close()
        await signaling.core.tasks.close()
        await host.close()


async def test_rest_refuses_in_words_what_cannot_be_obeyed() -> None:
    async with cluster() as c, c.http() as http:
        for posted in ({"playJwtControlEnabled": True}, {"playTokenControlEnable": True}):
            answer = await http.post("/rest/v2/applications/settings/live", json=posted)
            assert answer.status_code == 400
            assert not answer.json()["success"]
        assert c.settings_of(AppName("live")) == AppSettings(app_name=LIVE)
