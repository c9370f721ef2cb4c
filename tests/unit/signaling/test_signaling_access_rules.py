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
from services.signaling.core.domain.app_catalog import changed_settings
from services.signaling.core.domain.protection import SECRETS, ProtectionRefused, pinned_by
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import LIVE, OFFER, FakeHost
from tests.unit.signaling.signaling_harness import cluster

SECRET = "a secret of at least thirty-two bytes"
OTHER = "another secret that is long enough too"


def changed(**posted: Any) -> AppSettings:
    return changed_settings(AppSettings(app_name=LIVE), Patch.parse(msgspec.json.encode(posted)), {})


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
        ({"allowedPublisherCIDR": "10.0.0.0/8, home"}, "allowedPublisherCIDR"),
        ({"hlsEncryptionKeyInfoFile": "keys"}, "hlsEncryptionKeyInfoFile"),
        ({"blockedAddresses": ["192.0.2.1"]}, "blockedAddresses"),
        ({"tokenSecrets": {"a": 1}}, "tokenSecrets"),
    ],
)
def test_what_could_not_be_obeyed_is_refused_by_name(posted: dict[str, Any], named: str) -> None:
    with pytest.raises(ProtectionRefused) as caught:
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
        accidentallyUnknown=1,
        hlsMuxingEnabled=True,
        webhookRetryCount=3,
        webRTCViewerLimit=7,
    )
    assert settings.web_rtc_viewer_limit == 7


def test_every_secret_of_access_is_hidden_and_every_switch_of_a_file_holds() -> None:
    names = {one.name for one in msgspec.structs.fields(AppSettings)}
    secret = {name for name in names if "secret" in name or name.endswith("_credential")} - {"jwt_secret_key"}
    assert secret <= SECRETS
    given = AppSettings(app_name=LIVE, play_token_control_enabled=True, time_token_secret_for_play=SECRET)
    assert pinned_by(given) == {"play_token_control_enabled": True, "time_token_secret_for_play": SECRET}


def test_a_file_with_what_cannot_be_obeyed_stops_the_start(tmp_path: Path) -> None:
    for name, fields in (("switch", {"hashControlPlayEnabled": True}), ("typo", {"playTokenSecrets": SECRET})):
        path = tmp_path / name
        path.write_bytes(msgspec.json.encode({"live": fields}))
        with pytest.raises(ValueError, match="live"):
            read_apps(str(path))


def test_a_file_may_name_the_stun_server_as_ant_media_does(tmp_path: Path) -> None:
    path = tmp_path / "apps"
    path.write_bytes(msgspec.json.encode({"live": {"stunServerURI": "stun:a.example"}}))

    assert read_apps(str(path))[LIVE].stun_server_uri == "stun:a.example"


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


async def test_rest_refuses_in_words_what_cannot_be_obeyed() -> None:
    async with cluster() as c, c.http() as http:
        for posted in ({"playJwtControlEnabled": True}, {"playTokenControlEnable": True}):
            answer = await http.post("/rest/v2/applications/settings/live", json=posted)
            assert (answer.status_code, answer.json()["success"]) == (200, False)
        assert c.settings_of(AppName("live")) == AppSettings(app_name=LIVE)
