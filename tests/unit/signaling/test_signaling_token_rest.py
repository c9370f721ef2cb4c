"""REST of tokens: one-time ones and JWTs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import jwt
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.two_instances import Pair, pair

SECRET = "a secret of at least thirty-two bytes"
ROOT = "/live/rest/v2/broadcasts"


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        yield both


async def test_a_token_is_made_listed_validated_and_revoked(c: Pair) -> None:
    expires = int(time.time()) + 600
    async with c.at(1) as http, c.at(2) as other:
        made = (await http.get(f"{ROOT}/s1/token?expireDate={expires}&type=publish")).json()
        room = (await http.get(f"{ROOT}/s2/token?expireDate={expires}&type=play&roomId=r1")).json()
        await c.sees(lambda: c.other.core.tokens.of_stream(LIVE, StreamId("s1")))
        listed = (await other.get(f"{ROOT}/s1/tokens/list/0/10")).json()
        valid = (await other.post(f"{ROOT}/validate-token", json=made)).json()
        wrong = [
            (await other.post(f"{ROOT}/validate-token", json=made | change)).json()
            for change in ({"type": "play"}, {"streamId": "s2"}, {"tokenId": "nope"}, {"tokenId": ""})
        ]
        revoked = [(await other.delete(f"{ROOT}/s1/tokens")).json()["success"] for _ in range(2)]
        gone = (await http.post(f"{ROOT}/validate-token", json=made)).json()

    assert made == {
        "tokenId": made["tokenId"],
        "streamId": "s1",
        "expireDate": expires,
        "type": "publish",
        "roomId": None,
    }
    assert len(made["tokenId"]) == 48
    assert room["roomId"] == "r1"
    assert listed == [made]
    assert valid["success"]
    assert [answer["success"] for answer in wrong] == [False] * 4
    assert revoked == [True, False]
    assert not gone["success"]


async def test_a_token_that_is_used_is_not_valid_for_others(c: Pair) -> None:
    await c.protect(publishTokenControlEnabled=True)
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), Role.PUBLISH, int(time.time()) + 600)
    assert (await c.whip(1, record.token_id)).status_code == 201
    async with c.at(2) as http:
        shown = {"tokenId": record.token_id, "streamId": "s1", "type": "publish"}
        answer = (await http.post(f"{ROOT}/validate-token", json=shown)).json()
    assert not answer["success"]
    assert "another client" in answer["message"]


@pytest.mark.parametrize("kind", ["token", "jwt-token"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Define Stream ID"),
        ("expireDate=4102444800", "Define Stream ID"),
        ("type=play", "Define Stream ID"),
        ("type=play&expireDate=-1", "Define Stream ID"),
        ("type=junk&expireDate=4102444800", "Invalid token type. Supported types are 'play' and 'publish'"),
        ("type=play&expireDate=99999999999999", "after the year 9999"),
        ("type=play&expireDate=4102444800&roomId=a/b", "Stream id is not valid."),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(c: Pair, kind: str, query: str, words: str) -> None:
    await c.protect(jwtStreamSecretKey=SECRET)
    async with c.at(1) as http:
        answer = await http.get(f"{ROOT}/s1/{kind}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["message"]


@pytest.mark.parametrize("kind", ["token", "jwt-token"])
async def test_a_date_that_is_no_number_is_nowhere(c: Pair, kind: str) -> None:
    async with c.at(1) as http:
        answer = await http.get(f"{ROOT}/s1/{kind}?type=play&expireDate=abc")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html;charset=utf-8")


async def test_a_jwt_names_app_stream_kind_and_expiry_and_lets_in(c: Pair) -> None:
    await c.protect(publishJwtControlEnabled=True, jwtStreamSecretKey=SECRET)
    expires = int(time.time()) + 600
    async with c.at(1) as http:
        made = (await http.get(f"{ROOT}/s1/jwt-token?expireDate={expires}&type=publish")).json()
    claims = jwt.decode(made["tokenId"], SECRET, algorithms=["HS256"])

    assert claims == {"app": "live", "streamId": "s1", "type": "publish", "exp": expires}
    assert (await c.whip(2, made["tokenId"])).status_code == 201


async def test_no_jwt_is_made_that_would_be_refused(c: Pair) -> None:
    expires = int(time.time()) + 600
    async with c.at(1) as http:
        without = await http.get(f"{ROOT}/s1/jwt-token?expireDate={expires}&type=publish")
        await c.protect(jwtStreamSecretKey=SECRET, tokenMaxLifeS=60)
        too_long = await http.get(f"{ROOT}/s1/jwt-token?expireDate={expires}&type=publish")
    assert "length is less than 32" in without.json()["message"]
    assert "longer than 60 s" in too_long.json()["message"]


async def test_there_are_only_so_many_tokens(c: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.signaling.core.usecases.token_store.MAX_TOKENS_OF_APP", 2)
    async with c.at(1) as http:
        answers = [(await http.get(f"{ROOT}/s1/token?expireDate=4102444800&type=play")).status_code for _ in range(3)]
    assert answers == [200, 200, 503]


async def test_a_record_that_is_no_token_is_none(c: Pair) -> None:
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), Role.PUBLISH, int(time.time()) + 600)
    bucket = c.host.buckets[subjects.BUCKET_TOKENS]
    (key,) = [entry.key for entry in await bucket.entries()]
    await bucket.put(key, b"{}")
    await c.sees(lambda: not c.service.core.tokens.of_stream(LIVE, StreamId("s1")))
    assert await c.service.core.tokens.find(LIVE, record.token_id) is None
