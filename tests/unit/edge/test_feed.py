"""Uses of feeds: each is given back exactly once, wherever it lay."""

from __future__ import annotations

import pytest
from edge_harness import VIDEO

from rillcast.cluster.backoff import Backoff
from rillcast.media.protocol import SourceId
from rillcast.relay.child_relay import ChildRelay
from services.edge.domain.feed import Feed, FeedSlot, FeedUse


def a_feed(source: int = 1) -> Feed:
    return Feed("live/s1", ChildRelay(VIDEO, source=SourceId(source), worker=0, now=0.0, backoff=Backoff()), 0.0)


def use(feed: Feed) -> FeedUse:
    feed.users += 1
    return FeedUse(feed, _release)


def _release(feed: Feed) -> None:
    feed.users -= 1


def test_a_use_is_given_back_once() -> None:
    feed = a_feed()
    held = use(feed)

    held.release()
    held.release()

    assert feed.users == 0


def test_a_slot_gives_back_what_it_held_before() -> None:
    first, second, slot = a_feed(1), a_feed(2), FeedSlot()

    slot.put(use(first))
    slot.put(use(second))

    assert (first.users, second.users, slot.feed) == (0, 1, second)


def test_a_use_moves_between_slots_without_being_given_back() -> None:
    old, new, shown, coming = a_feed(1), a_feed(2), FeedSlot(), FeedSlot()
    shown.put(use(old))
    coming.put(use(new))

    shown.put_from(coming)

    assert (old.users, new.users, shown.feed, coming.feed) == (0, 1, new, None)


def test_what_comes_into_a_closed_slot_is_given_back_at_once() -> None:
    feed, slot = a_feed(), FeedSlot()
    slot.close()

    slot.put(use(feed))

    assert (feed.users, slot.feed) == (0, None)


def test_shares_of_layers_are_smoothed_and_forgotten_when_the_layers_change() -> None:
    feed = a_feed()

    feed.note_layers((500, 1_000))
    feed.note_layers((1_000, 1_000))
    assert feed.layer_shares == pytest.approx((0.6, 1.0))
    feed.note_layers((400, 600, 1_000))
    assert feed.layer_shares == pytest.approx((0.4, 0.6, 1.0))
    feed.note_layers(())
    assert feed.layer_shares == ()
