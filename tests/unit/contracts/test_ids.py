"""Ids and the keys that are made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.ids import (
    LADDER,
    AppName,
    StreamId,
    is_app_name,
    is_stream_id,
    job_key,
    new_session_id,
    split_stream_key,
    stream_key,
)
from rillcast.runtime.store.nats_kv import check_key

stream_ids = st.from_regex(r"[A-Za-z0-9._-]{1,255}", fullmatch=True).filter(is_stream_id)


@given(stream_ids)
def test_every_stream_id_makes_a_key_that_the_store_takes_and_comes_back(stream: str) -> None:
    key = stream_key(AppName("live"), StreamId(stream))
    check_key(key)
    check_key(job_key(key, LADDER))
    assert split_stream_key(key) == ("live", stream)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "é", "a b", "a\n", "x" * 256, "a=2Eb", "*", ">"])
def test_what_is_no_stream_id(text: str) -> None:
    assert not is_stream_id(text)


@pytest.mark.parametrize("text", ["...", "a.b", ".a", "a.", "-", "_", "x" * 255])
def test_what_is_a_stream_id(text: str) -> None:
    assert is_stream_id(text)


@pytest.mark.parametrize(
    ("text", "good"), [("live", True), ("a.b", False), ("", False), ("x" * 64, True), ("x" * 65, False)]
)
def test_app_names(text: str, good: bool) -> None:
    assert is_app_name(text) is good


def test_a_key_without_a_slash_is_no_stream_key() -> None:
    with pytest.raises(ValueError, match="not a stream key: 'live'"):
        split_stream_key("live")


def test_session_ids_are_not_guessed() -> None:
    made = {new_session_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(session) == 32 for session in made)
