"""What a session receives of one stream: every use of a feed lies in a slot, and closing gives all of them back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from test_feed import a_feed, use

from rillcast.contracts.ids import TrackId
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.rendition_selector import RenditionSelector
from services.edge.domain.subscription import SubscribedTrack, Subscription


@given(st.lists(st.tuples(st.sampled_from(["put", "clear", "move", "offer", "tracks", "close"]), st.integers(0, 2))))
def test_a_closed_subscription_holds_nothing_whatever_was_done_with_it(steps: list[tuple[str, int]]) -> None:
    feeds = [a_feed(source) for source in range(3)]
    subscription = Subscription("live/s1")
    track = subscription.add_track(0, "v0", kind=MediaKind.VIDEO, codec="VP8", selector=RenditionSelector())
    slots = [track.shown, track.coming, track.spare]
    for what, which in steps:
        match what:
            case "put":
                slots[which].put(use(feeds[which]))
            case "clear":
                slots[which].put(None)
            case "move":
                slots[which].put_from(slots[(which + 1) % 3])
            case "offer":
                subscription.offer().put(use(feeds[which]))
            case "tracks":
                subscription.give_offered_back()
            case "close":
                subscription.close()
    subscription.close()

    assert [feed.users for feed in feeds] == [0, 0, 0]


def where(track: SubscribedTrack) -> tuple[TrackId | None, int]:
    return track.track, track.layers


def test_a_track_is_where_its_switch_is_going_and_has_the_layers_of_that() -> None:
    shown, coming = a_feed(1), a_feed(2)
    track = Subscription("live/s1").add_track(0, "v0", kind=MediaKind.VIDEO, codec="VP8", selector=RenditionSelector())
    assert where(track) == (None, ALL_LAYERS)
    track.shown.put(use(shown))
    track.shown_layers, track.next_layers = 0, 1
    assert where(track) == (shown.track.track, 0)

    track.coming.put(use(coming))

    assert where(track) == (coming.track.track, 1)


def test_what_an_offer_held_is_given_back_once_there_are_tracks() -> None:
    feed, later, subscription = a_feed(1), a_feed(2), Subscription("live/s1")
    offered = subscription.offer()
    offered.put(use(feed))

    subscription.give_offered_back()
    offered.put(use(later))

    assert (feed.users, later.users) == (0, 0)
