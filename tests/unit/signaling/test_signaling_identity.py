"""By what a publisher is known again when it returns: what was verified, or the secret that we issued. Its address and
agent are nothing."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain.identity import Client, secret_digest, verified_digest
from services.signaling.core.domain.verified_identity import NOBODY, Proof, VerifiedIdentity

LIVE, STREAM, OTHER = AppName("live"), StreamId("s1"), StreamId("s2")
ANNE = VerifiedIdentity(Proof.SUBSCRIBER, "anne")


def test_a_verified_identity_has_a_digest_of_its_own_in_each_stream() -> None:
    found = [
        verified_digest(LIVE, STREAM, ANNE),
        verified_digest(LIVE, OTHER, ANNE),
        verified_digest(AppName("other"), STREAM, ANNE),
        verified_digest(LIVE, STREAM, VerifiedIdentity(Proof.SUBSCRIBER, "bert")),
        verified_digest(LIVE, STREAM, VerifiedIdentity(Proof.TOKEN, "anne")),
    ]

    assert len(set(found)) == len(found)
    assert {len(digest) for digest in found} == {64}


def test_nobody_and_a_client_without_our_secret_are_known_by_nothing() -> None:
    assert verified_digest(LIVE, STREAM, NOBODY) == ""
    assert secret_digest(LIVE, STREAM, Client(address="192.0.2.1", user_agent="A")) == ""


def test_the_holder_of_our_secret_is_known_wherever_it_comes_from() -> None:
    home = Client(address="192.0.2.1", user_agent="A", holder="h")
    away = Client(address="192.0.2.2", user_agent="B", holder="h")

    assert secret_digest(LIVE, STREAM, home) == secret_digest(LIVE, STREAM, away) != ""
    assert secret_digest(LIVE, STREAM, home) != secret_digest(LIVE, OTHER, home)
    assert secret_digest(LIVE, STREAM, home) != secret_digest(LIVE, STREAM, Client(address="192.0.2.1", holder="g"))
