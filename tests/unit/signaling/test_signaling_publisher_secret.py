"""The secret by which a publisher is known when it returns."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signaling.core.domain.publisher_secret import LIFE_S, PublisherSecrets


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


def secrets(clock: Clock, key: bytes = b"k" * 32) -> PublisherSecrets:
    numbers = itertools.count()
    return PublisherSecrets(key, wall_clock=clock, random_bytes=lambda n: next(numbers).to_bytes(n, "big"))


def test_every_instance_with_the_key_knows_a_secret_again_and_nobody_else() -> None:
    clock = Clock()
    secret = secrets(clock).issue("h" * 22)

    assert secrets(clock).holder(secret) == "h" * 22
    assert secrets(clock, b"j" * 32).holder(secret) == ""


@pytest.mark.parametrize(
    ("age_s", "known"), [(-LIFE_S - 1, False), (-3_600, True), (0, True), (LIFE_S, True), (LIFE_S + 1, False)]
)
def test_a_secret_is_honoured_for_a_day_also_when_a_clock_was_set_back(age_s: int, known: bool) -> None:
    clock = Clock()
    secret = secrets(clock).issue("h" * 22)

    clock.now_s += age_s

    assert (secrets(clock).holder(secret) != "") is known


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{22}\.[0-9a-f]{1,10}\.[A-Za-z0-9_-]{22}", fullmatch=True))
def test_nothing_that_we_did_not_issue_is_a_secret(text: str) -> None:
    assert secrets(Clock()).holder(text) == ""


def test_no_part_of_a_secret_can_be_changed() -> None:
    holder, issued, code = secrets(Clock()).issue("h" * 22).split(".")
    later = f"{int(issued, 16) + 1:x}"

    for forged in (f"{'g' * 22}.{issued}.{code}", f"{holder}.{later}.{code}", f"{holder}.{issued}.{'A' * 22}"):
        assert secrets(Clock()).holder(forged) == ""


def test_a_cookie_that_is_ours_keeps_its_holder_and_gets_a_new_day() -> None:
    clock = Clock()
    ours = secrets(clock)
    first, header = ours.set_cookie("", path="/live/websocket", secure=False)
    value = header.partition("=")[2].partition(";")[0]

    clock.now_s += LIFE_S - 1
    again, fresh = ours.set_cookie(value, path="/live/websocket", secure=False)
    clock.now_s += 2

    assert again == first
    assert ours.holder(value) == ""
    assert ours.holder(fresh.partition("=")[2].partition(";")[0]) == first


def test_a_foreign_cookie_gets_a_new_holder() -> None:
    ours = secrets(Clock())

    assert len({ours.set_cookie(shown, path="/", secure=False)[0] for shown in ("", "x", "a.b.c")}) == 3


@pytest.mark.parametrize("secure", [True, False])
def test_no_script_and_no_other_site_gets_the_cookie(secure: bool) -> None:
    header = secrets(Clock()).set_cookie("", path="/live/websocket", secure=secure)[1]

    assert header.split("; ")[1:] == [
        "Path=/live/websocket",
        f"Max-Age={LIFE_S}",
        "HttpOnly",
        "SameSite=Strict",
        *(["Secure"] if secure else []),
    ]
