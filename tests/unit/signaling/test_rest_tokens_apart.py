"""What lets a client publish or play never administers: tokens for streams or for others, secrets that are shared."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from prometheus_client import REGISTRY
from pydantic import SecretStr

from rillcast.contracts import subjects
from rillcast.contracts.records import AppSettings
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps
from services.signaling.core.domain.protection import SECRETS
from services.signaling.core.usecases.app_store import log as store_log
from services.signaling.core.wire import read_files
from services.signaling.operators.usecases.doorkeeper import Doorkeeper, ServerJwt, Shown
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster

SETTINGS = "/rest/v2/applications/settings/live"
LIST = "/live/rest/v2/broadcasts/list/0/5"
SECRET = "a secret that is long enough for it"
OTHER = "another secret that is long enough too"
NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(AppSettings)}
STREAM_TOKENS = [
    {"streamId": "s1", "type": "play"},
    {"sub": "s1", "type": "publish", "app": "live"},
    {"type": "PLAY"},
    {"roomId": "r1", "type": "play"},
    {"streamId": "s1"},
]


def signed(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + 60, **claims}, key, algorithm)


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("rillcast_signaling_operator_tokens_refused_total", {"reason": reason}) or 0.0


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster(jwt_server_control_enabled=True, jwt_server_secret_key=OTHER) as running:
        yield running


def done(answer: httpx.Response) -> bool:
    """Whether settings were changed, as Ant Media says it: always with the status 200."""
    assert answer.status_code == 200
    return bool(answer.json()["success"])


async def status(c: Cluster, token: str, path: str = LIST) -> int:
    async with c.stranger(headers={"Authorization": f"Bearer {token}"}) as http:
        return (await http.get(path)).status_code


@pytest.mark.parametrize("claims", STREAM_TOKENS)
async def test_a_token_for_a_stream_administers_nothing_whatever_it_is_signed_with(
    c: Cluster, claims: dict[str, str]
) -> None:
    bucket = c.host.buckets[subjects.BUCKET_APPS]
    stored = AppSettings(app_name=LIVE, jwt_control_enabled=True, jwt_secret_key=SECRET, jwt_stream_secret_key=SECRET)
    await bucket.put("live", msgspec.json.encode(stored))
    await c.sees(lambda: c.settings_of(LIVE) == stored)
    before = refused("stream_token")

    assert await status(c, signed(**claims)) == 403
    assert await status(c, signed(OTHER, **claims), "/rillcast/v1/status") == 403
    assert refused("stream_token") == before + 2
    assert await status(c, signed(sub="the site", type="access")) == 200
    assert await status(c, signed(OTHER), "/rillcast/v1/status") == 200


async def test_a_token_that_names_an_app_administers_that_one_alone(c: Cluster) -> None:
    async with c.http() as http:
        for app in ("live", "LiveApp"):
            posted = {"jwtControlEnabled": True, "jwtSecretKey": SECRET}
            assert (await http.post(f"/rest/v2/applications/settings/{app}", json=posted)).json()["success"]
    before = refused("other_app")

    assert await status(c, signed(app="live")) == 200
    assert await status(c, signed(app="LiveApp")) == 403
    assert await status(c, signed(OTHER, app="live"), "/rillcast/v1/status") == 403
    assert refused("other_app") > before


@pytest.mark.parametrize("other", sorted(SECRETS - {"jwt_secret_key"}))
@pytest.mark.parametrize("rest_first", [True, False])
async def test_the_secret_of_rest_is_no_other_secret(c: Cluster, other: str, rest_first: bool) -> None:
    names = ["jwtSecretKey", NAMES[other]] if rest_first else [NAMES[other], "jwtSecretKey"]
    async with c.http() as http:
        first = await http.post(SETTINGS, json={names[0]: SECRET})
        second = await http.post(SETTINGS, json={names[1]: SECRET})
        both = await http.post("/rest/v2/applications/settings/LiveApp", json=dict.fromkeys(names, SECRET))
        apart = await http.post(SETTINGS, json={names[1]: SECRET + "!"})
    assert [done(answer) for answer in (first, second, both, apart)] == [True, False, False, True]
    assert second.json()["message"].startswith(f"jwtSecretKey: it is also {NAMES[other]}")
    assert SECRET not in second.text + both.text


async def test_what_every_client_is_told_is_no_secret_for_anything_else(c: Cluster) -> None:
    async with c.http() as http:
        posted = {"turnServerCredential": SECRET, "jwtStreamSecretKey": SECRET}
        answer = await http.post(SETTINGS, json=posted)
    assert (done(answer), "clients are told it" in answer.json()["message"]) == (False, True)


async def test_no_app_has_the_secret_of_the_whole_server(c: Cluster, tmp_path: Path) -> None:
    async with c.http() as http:
        answer = await http.post(SETTINGS, json={"jwtSecretKey": OTHER})
    assert (done(answer), OTHER in answer.text) == (False, False)
    assert "RILLCAST_SIGNALING_JWT_SERVER_SECRET_KEY" in answer.text
    path = tmp_path / "apps.json"
    path.write_text(json.dumps({"live": {"jwtStreamSecretKey": OTHER}}))
    settings = SignalingSettings(
        apps_file=str(path), jwt_server_control_enabled=True, jwt_server_secret_key=SecretStr(OTHER)
    )
    with pytest.raises(Exception, match="jwtStreamSecretKey: it is also RILLCAST_SIGNALING_JWT_SERVER"):
        read_files(settings)


def test_a_file_is_refused_likewise(tmp_path: Path) -> None:
    path = tmp_path / "apps.json"
    for settings, words in (
        ({"jwtSecretKey": SECRET, "jwtStreamSecretKey": SECRET}, "jwtSecretKey: it is also jwtStreamSecretKey"),
        ({"jwtControlEnabled": True, "jwksURL": "https://id.example"}, "jwksURL: it needs jwtAudience"),
    ):
        path.write_text(json.dumps({"live": settings}))
        with pytest.raises(ValueError, match=words):
            read_apps(str(path))


async def test_what_the_store_had_is_told_at_the_start_and_may_be_mended_in_steps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Cluster(SignalingSettings())
    bucket = await made.host.kv(subjects.BUCKET_APPS)
    stored = AppSettings(
        app_name=LIVE,
        jwt_secret_key=SECRET,
        jwt_stream_secret_key=SECRET,
        jwks_url="https://id.example",
        jwt_control_enabled=True,
    )
    await bucket.put("live", msgspec.json.encode(stored))
    with caplog.at_level(logging.WARNING, logger=store_log._logger.name):
        async with made.running() as c, c.http() as http:
            told = " ".join(str(record.__dict__) for record in caplog.records)
            unrelated = await http.post(SETTINGS, json={"webRTCViewerLimit": 5})
            mended = await http.post(SETTINGS, json={"jwtStreamSecretKey": OTHER})
            again = await http.post(SETTINGS, json={"jwtStreamSecretKey": SECRET})
    assert "jwtSecretKey: it is also jwtStreamSecretKey" in told
    assert "jwksURL: it needs jwtAudience" in told
    assert SECRET not in told
    assert [done(answer) for answer in (unrelated, mended, again)] == [True, True, False]


RSA = rsa.generate_private_key(65537, 2048)


class Provider:
    """An identity provider with one key."""

    async def get(self, url: str, key_id: str) -> jwt.PyJWK | None:
        return jwt.PyJWK(json.loads(RSAAlgorithm.to_jwk(RSA.public_key())), "RS256")


class OneApp:
    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

    def settings(self, app: str) -> AppSettings | None:
        return self._settings


@pytest.mark.parametrize(
    ("asked_for", "named", "good"),
    [("us", "us", True), ("us", "them", False), ("us", None, False), ("", "them", False), ("", None, False)],
)
async def test_a_token_of_an_identity_provider_is_for_us_or_for_nothing(
    asked_for: str, named: str | None, good: bool
) -> None:
    settings = AppSettings(
        app_name=LIVE, jwt_control_enabled=True, jwks_url="https://id.example", jwt_audience=asked_for
    )
    parts: Any = (None, None, OneApp(settings), Provider(), ServerJwt())
    doorkeeper = Doorkeeper(*parts, local_token="x", now_s=time.time)
    claims = {"sub": "somebody", "app": "something of the provider's"} | ({"aud": named} if named else {})
    before = refused("no_audience")

    caller = await doorkeeper.by_token(Shown(token=signed(RSA, "RS256", **claims)), "live")

    assert (caller is not None) is good
    assert refused("no_audience") == before + (not asked_for)


async def test_the_keys_of_a_provider_need_an_audience(c: Cluster) -> None:
    posted: dict[str, object] = {"jwtControlEnabled": True, "jwksURL": "https://id.example/keys"}
    async with c.http() as http:
        without = await http.post(SETTINGS, json=posted)
        also = await http.post(SETTINGS, json=posted | {"jwtAudience": "https://live.example"})
        away = await http.post(SETTINGS, json={"jwtAudience": ""})
    assert [done(answer) for answer in (without, also, away)] == [False, True, False]
    assert without.json()["message"].startswith("jwksURL: it needs jwtAudience")
