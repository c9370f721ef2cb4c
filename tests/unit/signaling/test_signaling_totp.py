"""Time-based codes, and who guesses them."""

from __future__ import annotations

import base64

import pytest

from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.guess_lock import GuessLock, address_block
from services.signaling.core.domain.totp import code_at, derived_key, is_code, key_of

RFC_KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    ("now_s", "last_six"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238_appendix_b(now_s: int, last_six: str) -> None:
    assert code_at(RFC_KEY, now_s, 30) == last_six


def test_the_code_of_one_period_around_is_taken_and_no_other() -> None:
    now_s, period_s = 1_000_000.0, 60
    fits = [
        is_code(code_at(RFC_KEY, now_s + periods * period_s, period_s), RFC_KEY, now_s, period_s)
        for periods in (-2, -1, 0, 1, 2)
    ]
    assert fits == [False, True, True, True, False]
    for nonsense in ("", "12345", "1234567", "\ud800", "abcdef"):
        assert not is_code(nonsense, RFC_KEY, now_s, period_s)
    assert is_code(code_at(RFC_KEY, 0.0, period_s), RFC_KEY, 0.0, period_s)


def test_the_secret_of_a_registered_subscriber_is_base32_of_a_length_that_is_a_multiple_of_8() -> None:
    assert key_of("JBSWY3DPEHPK3PXP") == base64.b32decode("JBSWY3DPEHPK3PXP")
    for bad in ("", "JBSWY3DPEHPK3PX", "jbswy3dpehpk3pxp", "11111111", "\u00e9" * 8, "========"):
        assert key_of(bad) is None


def test_the_key_of_others_is_made_as_ant_media_makes_it() -> None:
    assert derived_key("secret", "sub1", StreamId("stream1"), Role.PUBLISH) == b"secretsub1stream1publish"
    assert derived_key("secret123", "sub1", StreamId("stream1"), Role.PUBLISH) == b"secret123sub1stream1publishXXXXX"


def lock(**bounds: int) -> GuessLock:
    return GuessLock(**{"tries": 3, "most": 10} | bounds, first_s=60.0, longest_s=100.0)


def test_each_lock_is_twice_as_long_up_to_the_longest_and_a_right_guess_ends_it_all() -> None:
    guesses, now_s, locked = lock(), 0.0, []
    for _ in range(3):
        for _ in range(3):
            assert guesses.locked_for_s("a", now_s) == 0.0
            guesses.wrong("a", now_s)
        locked.append(guesses.locked_for_s("a", now_s))
        now_s += locked[-1]
    assert locked == [60.0, 100.0, 100.0]
    assert guesses.locked_for_s("b", now_s) == 0.0

    guesses.right("a")
    for _ in range(3):
        guesses.wrong("a", now_s)
    assert guesses.locked_for_s("a", now_s) == 60.0


def test_who_has_not_guessed_for_a_day_begins_anew() -> None:
    guesses = lock(tries=2)
    guesses.wrong("a", 0.0)
    guesses.wrong("a", 90_000.0)
    assert guesses.locked_for_s("a", 90_000.0) == 0.0


def test_the_table_of_guessers_is_bounded_and_keeps_those_that_go_on() -> None:
    guesses = lock(tries=20, most=10)
    for number in range(1_000):
        guesses.wrong("busy", 0.0)
        guesses.wrong(number, 0.0)
    assert len(guesses) == 10
    assert guesses.locked_for_s("busy", 0.0) > 0


def test_an_ipv6_client_is_known_by_its_network() -> None:
    assert address_block("192.0.2.1") == "192.0.2.1"
    assert address_block("2001:db8:1:2:3:4:5:6") == address_block("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert address_block("") == ""


def test_a_separator_keeps_subscribers_of_different_streams_apart() -> None:
    def key(subscriber: str, stream: str, separator: str) -> bytes:
        return derived_key("secret", subscriber, StreamId(stream), Role.PLAY, separator)

    assert key("eveshow-", "1", "") == key("eve", "show-1", "")
    assert key("eveshow-", "1", "/") != key("eve", "show-1", "/")
    assert key("eve", "show-1", "/") == b"secret/eve/show-1/playXX"
