"""What Consul refuses: in words for an operator, counted, and held against readiness once it lasts."""

from __future__ import annotations

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.discovery.consul_refusals import Refusals, is_refusal

DENIED = "Permission denied: token with AccessorID '26e0' lacks permission 'service:write' on \"rillcast-edge\""
ANONYMOUS = "Permission denied: anonymous token lacks permission 'service:write' on \"rillcast-edge\". The anonymous"


@pytest.mark.parametrize(
    ("has_token", "text", "why"),
    [
        (True, DENIED, "the token in RILLCAST_CONSUL_TOKEN lacks service:write on rillcast-edge"),
        (True, "ACL not found", "it does not know the token in RILLCAST_CONSUL_TOKEN"),
        (False, ANONYMOUS, "RILLCAST_CONSUL_TOKEN is not set, and nobody has service:write on rillcast-edge without"),
        (True, "lacks permission 'acl:read'.", "the token in RILLCAST_CONSUL_TOKEN lacks acl:read"),
        (True, "something else " * 100, "something else"),
    ],
)
def test_a_refusal_names_the_permission_that_is_missing(has_token: bool, text: str, why: str) -> None:
    words = Refusals(has_token, lambda _: None).take("register", "register rillcast-edge", text)

    assert words.startswith(f"Consul does not let this node register rillcast-edge: {why}")
    assert len(words) < 300


def test_each_refusal_is_counted_and_the_second_in_a_row_is_told_until_it_is_over() -> None:
    told: list[str] = []
    refusals = Refusals(True, told.append)
    counter = metrics.DISCOVERY_DENIED.labels("register")
    before = counter._value.get()

    refusals.take("register", "register rillcast-edge", DENIED)
    assert told == []
    for _ in range(3):
        words = refusals.take("register", "register rillcast-edge", DENIED)
    assert told == [words]
    assert counter._value.get() == before + 4

    refusals.allow("register rillcast-edge")
    refusals.allow("register rillcast-edge")
    assert told == [words, ""]


def test_one_that_is_over_does_not_hide_another() -> None:
    told: list[str] = []
    refusals = Refusals(True, told.append)
    for what in ("read rillcast-edge", "read rillcast-origin") * 2:
        refusals.take("read", what, "ACL not found")

    refusals.allow("read rillcast-edge")

    assert "read rillcast-origin" in told[-1]


def test_a_server_that_has_just_started_refuses_nobody() -> None:
    assert not is_refusal("ACL system must be bootstrapped before making any requests: ACL not found")
    assert is_refusal("ACL not found")
