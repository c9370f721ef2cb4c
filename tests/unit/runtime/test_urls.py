"""What is shown of an address holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.runtime.urls import without_secrets

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://here:4222", "nats://here:4222"),
        ("nats://s3cret:s3cret@here:4222", "nats://here:4222"),
        ("nats://s3cret@[2001:db8::1]:4222", "nats://[2001:db8::1]:4222"),
        ("here:4222", "here:4222"),
        ("s3cret@here:4222", "here:4222"),
        ("https://u:s3cret@id.example/keys?apikey=s3cret#s3cret", "https://id.example/keys"),
        ("https://u:s3/cret@here/", "an address that is not shown"),
        ("https://u:s3?cret@here/", "an address that is not shown"),
        ("https://here/?a=b@s3cret", "an address that is not shown"),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@given(st.text("ab:/?#[]", max_size=8), st.text("ab:/?#@[]", max_size=8))
def test_nothing_before_an_at_sign_and_no_query_is_shown(before: str, behind: str) -> None:
    shown = without_secrets(f"https://{before}{SECRET}{behind}@host/path?{SECRET}")
    assert SECRET not in shown
