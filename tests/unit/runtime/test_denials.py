"""What NATS refuses a process: counted each time, said once, remembered up to a limit and until the next connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.bus.denials import MOST_REMEMBERED, Denials
from rillcast.runtime.bus.envelope import label

PUBLISH = 'nats: permissions violation for publish to "{}"'
SUBSCRIBE = 'nats: permissions violation for subscription to "{}"'


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], int]]:
    """How many lines the log has of this test."""
    with caplog.at_level(logging.ERROR):
        yield lambda: len(caplog.records)


def denials() -> Denials:
    return Denials(lambda: "the user edge")


@pytest.mark.parametrize(
    "text", ["", "nats: slow consumer", "Permissions Violation", "permissions violation for drain to x"]
)
def test_whatever_else_the_server_says_is_left_to_others(text: str, said: Callable[[], int]) -> None:
    made = denials()
    assert not made.take(text)
    assert made.first() == ""
    assert said() == 0


def test_a_refusal_names_the_user_what_it_tried_and_the_subject() -> None:
    made = denials()
    assert made.take('Permissions Violation for Publish to "Rillcast.Nodes.Origin"')
    assert made.take(SUBSCRIBE.format("rillcast.seats"))

    words = "NATS does not let the user edge publish rillcast.nodes.origin"
    assert made.of("publish", "rillcast.NODES.origin") == words
    assert made.of("subscribe", "rillcast.seats") == "NATS does not let the user edge subscribe rillcast.seats"
    assert made.of("subscribe", "rillcast.nodes.origin") == ""
    assert made.of("publish", "rillcast.nodes") == ""
    assert made.first() == words


def test_a_queue_group_behind_the_subject_belongs_not_to_it() -> None:
    made = denials()
    assert made.take('permissions violation for subscription to "rillcast.seats" using queue "license"')
    assert made.of("subscribe", "rillcast.seats")


def test_it_is_said_once_and_counted_each_time(said: Callable[[], int]) -> None:
    made, subject = denials(), "rillcast.nodes.origin"
    count = metrics.BUS_DENIED.labels("publish", label(subject))
    before = count._value.get()
    for _ in range(3):
        made.take(PUBLISH.format(subject))
    assert count._value.get() == before + 3
    assert said() == 1


def test_listeners_hear_of_each_refused_publish_and_of_no_subscription() -> None:
    made, heard = denials(), list[str]()
    made.on_publish(heard.append)
    made.take(PUBLISH.format("A.b"))
    made.take(SUBSCRIBE.format("c.d"))
    made.take(PUBLISH.format("a.B"))
    assert heard == ["a.b", "a.b"]


def test_the_refusal_to_hear_answers_is_that_of_the_inbox_and_of_no_other() -> None:
    made = denials()
    made.take(SUBSCRIBE.format("_inbox.edge-10.*"))
    made.take(PUBLISH.format("_inbox.edge-1.x"))
    assert made.of_answers("_INBOX.edge-1") == ""
    made.take(SUBSCRIBE.format("_inbox.edge-1.*"))
    assert made.of_answers("_INBOX.edge-1") == "NATS does not let the user edge subscribe _inbox.edge-1.*"


def test_so_many_subjects_are_remembered_and_listeners_hear_of_the_others_all_the_same(
    said: Callable[[], int],
) -> None:
    made, heard = denials(), list[str]()
    made.on_publish(heard.append)
    for i in range(MOST_REMEMBERED + 10):
        assert made.take(PUBLISH.format(f"a.{i}"))
    assert made.of("publish", f"a.{MOST_REMEMBERED - 1}")
    assert made.of("publish", f"a.{MOST_REMEMBERED}") == ""
    assert len(heard) == MOST_REMEMBERED + 10
    assert said() == MOST_REMEMBERED


def test_a_new_connection_knows_of_no_refusal_and_says_it_anew(said: Callable[[], int]) -> None:
    made = denials()
    made.take(PUBLISH.format("a"))
    made.forget()
    assert (made.first(), made.of("publish", "a")) == ("", "")
    made.take(PUBLISH.format("a"))
    assert said() == 2
