"""Stream tokens: which are taken, and what is said of the others."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain.tokens import check_stream_token

SECRET = "a secret of at least thirty-two bytes"
LIVE, STREAM = AppName("live"), StreamId("s1")


def refused(token: str, now_s: float = 1_000.0) -> str:
    with pytest.raises(RillcastError) as caught:
        check_stream_token(token, SECRET, STREAM, "play", now_s)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    assert not token or token not in caught.value.message
    return caught.value.message


def signed(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "s1", "type": "play"} | claims, secret, algorithm=algorithm)


@pytest.mark.parametrize("claims", [{}, {"exp": 1_000}, {"nbf": 1_004}, {"exp": 5_000, "streamId": "other"}])
def test_good_tokens_are_taken(claims: dict[str, object]) -> None:
    check_stream_token(signed(claims), SECRET, STREAM, "play", 1_000.0)


def test_a_token_in_ant_medias_shape_is_taken() -> None:
    token = jwt.encode({"streamId": "s1", "type": "play", "exp": 2_000}, SECRET, algorithm="HS256")
    check_stream_token(token, SECRET, STREAM, "play", 1_000.0)


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
        check_stream_token(text, SECRET, STREAM, "play", 0.0)
