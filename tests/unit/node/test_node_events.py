"""The way of the plane's events and packets to those who want them."""

from __future__ import annotations

from rillcast.media.protocol import Event, PlaneRelay, PlaneSession, RelayChildLost, SessionMedia, SourceId
from rillcast.node.events import PlaneEvents


def test_handlers_hear_every_event_in_the_order_in_which_they_were_added() -> None:
    events, heard = PlaneEvents(), list[tuple[str, Event]]()
    events(SessionMedia(session=PlaneSession(1)))  # before anybody listens
    events.add(lambda event: heard.append(("first", event)))
    events.add(lambda event: heard.append(("second", event)))

    events(RelayChildLost(relay=PlaneRelay(7)))

    assert heard == [("first", RelayChildLost(relay=PlaneRelay(7))), ("second", RelayChildLost(relay=PlaneRelay(7)))]


def test_packets_go_to_the_handlers_of_packets_only() -> None:
    events, packets = PlaneEvents(), list[tuple[int, bytes]]()
    events.add(lambda event: packets.append((0, b"an event")))
    events.add_packets(lambda source, data: packets.append((source, data)))

    events.packet(SourceId(3), b"rtp")

    assert packets == [(3, b"rtp")]
