"""Stream tokens: which are taken, and what is said of the others."""

from __future__ import annotations

import hashlib

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.tokens import Wish, check_hash, check_jwt, stream_hash
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity

SECRET = "a secret of at least thirty-two bytes"
LIVE, STREAM = AppName("live"), StreamId("s1")
WISH = Wish(app=LIVE, stream=STREAM, role=Role.PLAY)


def refused(token: str, now_s: float = 1_000.0) -> str:
    with pytest.raises(RillcastError) as caught:
        check_jwt(token, SECRET, WISH, now_s=now_s)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    assert not token or token not in caught.value.message
    return caught.value.message


def signed(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "s1", "type": "play"} | claims, secret, algorithm=algorithm)


@pytest.mark.parametrize("claims", [{}, {"exp": 1_000}, {"nbf": 1_004}, {"exp": 5_000, "streamId": "other"}])
def test_good_tokens_are_taken(claims: dict[str, object]) -> None:
    assert check_jwt(signed(claims), SECRET, WISH, now_s=1_000.0) == VerifiedIdentity(Proof.JWT, STREAM)


def test_a_token_in_ant_medias_shape_is_taken() -> None:
    token = jwt.encode({"streamId": "s1", "type": "play", "exp": 2_000}, SECRET, algorithm="HS256")
    check_jwt(token, SECRET, WISH, now_s=1_000.0)


def test_bad_tokens_are_refused_with_a_reason() -> None:
    assert "needed" in refused("")
    assert "not valid here" in refused("x.y.z")
    assert "not valid here" in refused(signed({}, secret="another secret that is long enough too"))
    assert "not valid here" in refused(signed({}, SECRET * 2, "HS512"))
    assert "not valid here" in refused(signed({}, "", "none"))
    assert "not valid here" in refused("x" * 10_000)
    assert "another stream" in refused(signed({"sub": "s2"}))
    assert "does not allow" in refused(signed({"type": "publish"}))
    assert "expired" in refused(signed({"exp": 900}))
    assert "not valid yet" in refused(signed({"nbf": 1_100}))


@given(st.text(max_size=100))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(RillcastError):
        check_jwt(text, SECRET, WISH, now_s=0.0)


def test_a_renewed_token_is_the_same_publisher_and_another_app_or_stream_is_not() -> None:
    publish = Wish(app=LIVE, stream=STREAM, role=Role.PUBLISH)
    former, renewed = (signed({"type": "publish", "exp": expires}) for expires in (2_000, 3_000))

    assert former != renewed
    assert check_jwt(former, SECRET, publish, now_s=1_000.0) == check_jwt(renewed, SECRET, publish, now_s=1_000.0)
    assert check_jwt(former, SECRET, publish, now_s=1_000.0).proof is Proof.JWT


def test_a_token_of_another_app_is_refused() -> None:
    assert check_jwt(signed({"app": "live"}), SECRET, WISH, now_s=1_000.0)
    assert "another app" in refused(signed({"app": "other"}))
    assert "another app" in refused(signed({"app": None}))


@pytest.mark.parametrize("claims", [{}, {"exp": 1_000 + 61 + 5}])
def test_a_token_may_not_live_longer_than_the_app_allows(claims: dict[str, object]) -> None:
    with pytest.raises(RillcastError, match="longer than the 60 s"):
        check_jwt(signed(claims), SECRET, WISH, now_s=1_000.0, max_life_s=60)
    check_jwt(signed({"exp": 1_060}), SECRET, WISH, now_s=1_000.0, max_life_s=60)


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400, "1060", None, True])
def test_what_is_no_time_ends_no_token_and_keeps_it_within_no_life(name: str, value: object) -> None:
    with pytest.raises(RillcastError, match=f"{name} is not a time"):
        check_jwt(signed({"exp": 1_060} | {name: value}), SECRET, WISH, now_s=1_000.0, max_life_s=60)


def room_token(kind: str) -> str:
    return jwt.encode({"streamId": "r1", "roomId": "r1", "type": kind, "exp": 2_000}, SECRET, algorithm="HS256")


def test_a_publishers_token_for_a_room_lets_publish_into_it_and_play_it() -> None:
    into = Wish(app=LIVE, stream=STREAM, role=Role.PUBLISH, room="r1")
    room = Wish(app=LIVE, stream=StreamId("r1"), role=Role.PLAY)

    one = check_jwt(room_token("publish"), SECRET, into, now_s=1_000.0)
    assert check_jwt(room_token("publish"), SECRET, room, now_s=1_000.0)
    assert check_jwt(room_token("play"), SECRET, room, now_s=1_000.0)

    assert one.proof is Proof.JWT
    assert one.subject.startswith("r1 ")
    assert one != VerifiedIdentity(Proof.JWT, STREAM), "it is no proof of who has the stream"


@pytest.mark.parametrize(
    "wish",
    [
        Wish(app=LIVE, stream=STREAM, role=Role.PUBLISH),
        Wish(app=LIVE, stream=STREAM, role=Role.PUBLISH, room="r2"),
        Wish(app=LIVE, stream=STREAM, role=Role.PLAY, room="r1"),
    ],
)
def test_a_token_for_a_room_is_good_for_nothing_else(wish: Wish) -> None:
    with pytest.raises(RillcastError):
        check_jwt(room_token("publish"), SECRET, wish, now_s=1_000.0)


def test_a_viewers_token_for_a_room_does_not_let_publish() -> None:
    with pytest.raises(RillcastError):
        check_jwt(
            room_token("play"), SECRET, Wish(app=LIVE, stream=STREAM, role=Role.PUBLISH, room="r1"), now_s=1_000.0
        )


def test_the_hash_is_that_of_stream_role_and_secret() -> None:
    good = hashlib.sha256(b"s1play" + SECRET.encode()).hexdigest()

    assert stream_hash(STREAM, Role.PLAY, SECRET) == good
    assert check_hash(good.upper(), SECRET, WISH) == VerifiedIdentity(Proof.HASH, "s1")
    for wrong in ("", "x", good[:-1], stream_hash(STREAM, Role.PUBLISH, SECRET), "\ud800"):
        with pytest.raises(RillcastError) as caught:
            check_hash(wrong, SECRET, WISH)
        assert caught.value.code is ErrorCode.UNAUTHORIZED
