"""Readiness is the sum of its conditions, and tells only when that changes."""

from __future__ import annotations

from rillcast.contracts.fields import MAX_TEXT
from rillcast.runtime.process.readiness import Readiness


def test_one_unmet_condition_is_enough_and_each_has_its_reason() -> None:
    readiness = Readiness()
    assert (readiness.ready, readiness.sentence()) == (True, "")

    readiness.set("bus", False, "NATS is away")
    readiness.set("license", False)

    assert not readiness.ready
    assert readiness.reasons == {"bus": "NATS is away", "license": "not ready"}
    assert readiness.sentence() == "bus: NATS is away; license: not ready"
    readiness.set("bus", True)
    assert not readiness.ready
    readiness.set("license", True)
    assert readiness.ready


def test_the_sentence_is_no_longer_than_a_heartbeat_may_say() -> None:
    readiness = Readiness()
    readiness.set("license", False, "w" * 100_000)
    assert len(readiness.sentence()) == MAX_TEXT


def test_listeners_hear_changes_of_the_sum_only() -> None:
    readiness = Readiness()
    heard: list[bool] = []
    readiness.on_change(lambda: heard.append(readiness.ready))

    readiness.set("bus", True)
    readiness.set("bus", False, "away")
    readiness.set("bus", False, "away for long")
    readiness.set("license", False)
    readiness.set("bus", True)
    readiness.set("license", True)

    assert heard == [False, True]


def test_what_is_shown_is_a_copy() -> None:
    readiness = Readiness()
    readiness.reasons["bus"] = "made up"
    assert readiness.ready
