"""JWT of operators: which key fits which algorithm, and whom a token lets in where."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from services.signaling.config import SignalingSettings
from services.signaling.operators.adapters.jwks_keys import FRESH_S, MAX_BYTES, PAUSE_S, JwksKeys
from services.signaling.operators.domain.operator_jwt import holds, unverified_key_id
from tests.unit.signaling.signaling_harness import Cluster, cluster

SECRET = "a secret that is long enough for it"
NOW = 1_800_000_000.0
URL = "https://id.example/keys"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str = "", **claims: Any) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode({"exp": NOW + 60, **claims}, key, algorithm, headers=headers)


def unsigned() -> str:
    return jwt.encode({"exp": NOW + 60}, "", "none")


def forged_with_public_key() -> str:
    """HS256 with the public key for a secret, which a verifier takes that lets the token choose the algorithm."""
    head, body, _ = signed("x" * 32).split(".")
    import base64
    import hmac

    mac = hmac.digest(PUBLIC_PEM.encode(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, **more}


RSA_JWK = jwt.PyJWK(jwk(RSA, "r"), "RS256")
EC_JWK = jwt.PyJWK(jwk(EC, "e"), "ES256")


@pytest.mark.parametrize(
    ("token", "key"),
    [(signed(), SECRET), (signed(RSA, "RS256"), RSA_JWK), (signed(EC, "ES256"), EC_JWK), (signed(aud="us"), SECRET)],
)
def test_a_token_that_is_signed_with_the_key_holds(token: str, key: Any) -> None:
    assert holds(token, key, now_s=NOW)
    assert not holds(token, key, now_s=NOW + 66)


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (unsigned(), SECRET),
        (unsigned(), RSA_JWK),
        (signed("another secret that is long enough too"), SECRET),
        (signed(SECRET, "HS512"), SECRET),
        (signed(SECRET, "HS256"), RSA_JWK),
        (forged_with_public_key(), RSA_JWK),
        (forged_with_public_key(), EC_JWK),
        (signed(RSA, "RS512"), RSA_JWK),
        (signed(RSA, "PS256"), RSA_JWK),
        (signed(EC, "ES256"), RSA_JWK),
        (signed(RSA, "RS256"), EC_JWK),
        (signed("short" * 3), "short" * 3),
        (signed("x" * 32), ""),
        (signed(exp=None), SECRET),
        (signed(exp="soon"), SECRET),
        (signed(exp=True), SECRET),
        (signed(exp=float("inf")), SECRET),
        (signed(exp=float("nan")), SECRET),
        (signed(exp=10**400), SECRET),
        (signed(nbf=float("nan")), SECRET),
        (signed(nbf=NOW + 60), SECRET),
        (signed()[:-2] + "xx", SECRET),
        (signed(note="x" * 9_000), SECRET),
        ("", SECRET),
        ("a.b.c", SECRET),
        ("not a token", RSA_JWK),
    ],
)
def test_nothing_else_does(token: str, key: Any) -> None:
    assert not holds(token, key, now_s=NOW)


def test_a_token_without_end_holds_only_where_that_was_asked_for() -> None:
    token = jwt.encode({}, SECRET, "HS256")
    assert not holds(token, SECRET, now_s=NOW)
    assert holds(token, SECRET, now_s=NOW, without_end=True)


@pytest.mark.parametrize(("audience", "good"), [("us", True), (["x", "us"], True), ("them", False), (None, False)])
def test_an_audience_that_was_asked_for_is_named(audience: Any, good: bool) -> None:
    token = signed(aud=audience) if audience else signed()
    assert holds(token, SECRET, now_s=NOW, audience="us") is good


def test_a_key_id_is_text_or_nothing() -> None:
    assert unverified_key_id(signed(kid="k")) == "k"
    assert unverified_key_id(signed()) == ""
    assert unverified_key_id("rubbish") is None


# ---- a JWKS


class Provider:
    """An identity provider that counts its questions."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()
        self.status = 200
        self.asked = 0
        self.now_s = 1_000.0

    def keys(self) -> JwksKeys:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked += 1
            return httpx.Response(self.status, content=self.body, headers={"Location": "https://elsewhere.example/"})

        return JwksKeys(lambda: self.now_s, httpx.MockTransport(answer))


@pytest.mark.parametrize(("status", "reason"), [(404, "it answers 404"), (302, "it answers 302"), (200, "no keys")])
async def test_a_set_of_keys_that_cannot_be_had_is_told_without_what_its_address_keeps_secret(
    status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider()
    provider.status, provider.body = status, b"{}"
    assert await provider.keys().get("https://u:s3cret@id.example/keys?apikey=s3cret", "r") is None
    told = "".join(str(vars(record)) for record in caplog.records if "keys of a JWKS" in record.getMessage())
    assert "https://id.example/keys" in told
    assert reason in told
    assert "s3cret" not in told


async def test_keys_are_fetched_once_and_again_when_they_are_old() -> None:
    provider = Provider(jwk(RSA, "r"), jwk(EC, "e"))
    keys = provider.keys()
    assert [(await keys.get(URL, kid)) is not None for kid in ("r", "e", "r")] == [True] * 3
    assert provider.asked == 1
    provider.now_s += FRESH_S
    assert await keys.get(URL, "r") is not None
    assert provider.asked == 2


async def test_unknown_ids_do_not_make_us_ask_for_each() -> None:
    provider = Provider(jwk(RSA, "r"))
    keys = provider.keys()
    for number in range(50):
        assert await keys.get(URL, f"x{number}") is None
    assert provider.asked == 1
    provider.body = json.dumps({"keys": [jwk(EC, "new")]}).encode()
    provider.now_s += PAUSE_S
    assert await keys.get(URL, "new") is not None
    assert provider.asked == 2


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_known_keys_stay_while_the_provider_is_away(status: int) -> None:
    provider = Provider(jwk(RSA, "r"))
    keys = provider.keys()
    await keys.get(URL, "r")
    provider.status = status
    provider.now_s += FRESH_S
    assert await keys.get(URL, "r") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[1]}',
        b'{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"r"}]}',
        b'{"keys":[{"kty":"RSA","kid":"r"}]}',
        json.dumps({"keys": [jwk(RSA, "r", use="enc")]}).encode(),
        json.dumps({"keys": [jwk(RSA, "r", alg="HS256")]}).encode(),
        b" " * (MAX_BYTES + 1),
        b"[" * 50_000,
    ],
)
async def test_what_has_no_usable_key_has_none(body: bytes) -> None:
    provider = Provider()
    provider.body = body
    assert await provider.keys().get(URL, "r") is None


async def test_without_an_id_only_a_single_key_is_meant() -> None:
    assert await Provider(jwk(RSA, "r")).keys().get(URL, "") is not None
    assert await Provider(jwk(RSA, "r"), jwk(EC, "e")).keys().get(URL, "") is None


# ---- at the door

SERVER = {"jwt_server_control_enabled": True, "jwt_server_secret_key": SECRET}


def lasting(key: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + 60, **claims}, key, "HS256")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster(**SERVER) as running:
        yield running


@pytest.mark.parametrize("header", ["ProxyAuthorization", "Authorization"])
@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}"])
async def test_a_jwt_of_the_server_lets_an_administrator_in(c: Cluster, header: str, form: str) -> None:
    async with c.stranger(headers={header: form.format(lasting())}) as http:
        assert (await http.get("/rillcast/v1/status")).status_code == 200
        assert (await http.get("/rest/v2/user-list")).status_code == 200
        assert (await http.get("/live/rest/v2/broadcasts/list/0/5")).status_code == 200
    async with c.stranger(headers={header: form.format(lasting("another secret that is long enough too"))}) as http:
        assert (await http.get("/rillcast/v1/status")).text == "Not authenticated user"


async def test_a_jwt_of_the_server_is_nothing_where_it_was_not_asked_for() -> None:
    async with cluster() as c, c.stranger(headers={"ProxyAuthorization": lasting()}) as http:
        assert (await http.get("/rillcast/v1/status")).status_code == 403


async def test_a_jwt_of_an_app_is_good_for_its_rest_alone() -> None:
    async with cluster() as c, c.http() as admin:
        posted = {"jwtControlEnabled": True, "jwtSecretKey": SECRET}
        assert (await admin.post("/rest/v2/applications/settings/live", json=posted)).json()["success"]
        async with c.stranger(headers={"Authorization": f"Bearer {lasting()}"}) as http:
            answers = {
                "own": await http.post("/live/rest/v2/broadcasts/create", json={"streamId": "x"}),
                "other": await http.get("/LiveApp/rest/v2/broadcasts/list/0/5"),
                "settings": await http.get("/rest/v2/applications/settings/live"),
                "status": await http.get("/rillcast/v1/status"),
            }
        async with c.stranger(headers={"Authorization": "rubbish"}) as http:
            answers["rubbish"] = await http.get("/live/rest/v2/broadcasts/list/0/5")
        async with c.stranger(headers={"ProxyAuthorization": lasting()}) as http:
            answers["other header"] = await http.get("/live/rest/v2/broadcasts/list/0/5")
        by_session = await admin.get("/live/rest/v2/broadcasts/list/0/5")
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "own": 200,
        "other": 403,
        "settings": 403,
        "status": 403,
        "rubbish": 403,
        "other header": 403,
    }
    assert "Invalid App JWT Token" in answers["rubbish"].text
    assert by_session.status_code == 200


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"jwt_server_control_enabled": True}, "needs jwt_server_secret_key or jwt_server_jwks_url"),
        ({"jwt_server_secret_key": SECRET}, "need jwt_server_control_enabled=true"),
        ({"jwt_server_control_enabled": True, "jwt_server_secret_key": "short"}, "at least 32 bytes"),
        ({"jwt_server_control_enabled": True, "jwt_server_jwks_url": URL}, "needs jwt_server_audience"),
        ({"jwt_server_control_enabled": True, "jwt_server_jwks_url": "file:///k"}, "http"),
        ({"admin_password": "short"}, "8 to 256 characters"),
        ({"allowed_hosts": "https://live.example.com"}, "is no host name"),
    ],
)
def test_settings_that_would_not_protect_stop_the_start(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SignalingSettings(**settings)
