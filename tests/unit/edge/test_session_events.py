"""What a signaling instance is told of a session, word by word."""

from __future__ import annotations

import pytest
from edge_harness import EDGE, SIGNALING, request

from rillcast.contracts import subjects
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media.protocol import PlaneSession
from rillcast.media.sdp import LocalTransport
from rillcast.node.outbox import Outbox
from rillcast.testing.bus import FakeBroker, FakeBus
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer
from services.edge.usecases.session_events import SessionEvents

LOCAL = LocalTransport(ufrag="u", pwd="p", fingerprint="AB", addresses=("192.0.2.2",), port=50_000)


class Told:
    """The events of one viewer, and what has arrived at its signaling instance."""

    def __init__(self) -> None:
        broker = FakeBroker()
        self.bus, self.listener = FakeBus(broker), FakeBus(broker)
        self.outbox = Outbox(self.bus, lambda: None)
        self.events = SessionEvents(EDGE, self.outbox)
        self.viewer = Viewer(request(), plane_session=PlaneSession(1), worker=0, local=LOCAL, now=0.0)
        self.changes: list[SessionChanged] = []

    async def hear(self) -> SessionChanged:
        (change,) = await self.hear_all()
        assert (change.session, change.node) == (self.viewer.session, EDGE)
        return change

    async def hear_all(self) -> list[SessionChanged]:
        await self.listener.listen(subjects.session_changed(SIGNALING), SessionChanged, self._heard)
        await self.outbox.flush()
        await self.listener.settle()
        return self.changes

    async def _heard(self, _subject: str, change: SessionChanged) -> None:
        self.changes.append(change)


async def test_a_connection() -> None:
    told = Told()
    told.events.connected(told.viewer)
    change = await told.hear()

    assert (change.state, change.reason, change.stream_height) == (SessionState.CONNECTED, None, None)


async def test_a_first_packet() -> None:
    told = Told()
    told.events.media(told.viewer)
    change = await told.hear()

    assert (change.state, change.subscription, change.stream_height) == (SessionState.MEDIA, None, None)


async def test_a_first_packet_with_the_connection_and_the_rendition_is_one_event() -> None:
    told = Told()
    told.events.connected(told.viewer)
    told.events.media(told.viewer, [(Subscription("live/s1", 2), 360)])
    change = await told.hear()

    assert (change.state, change.subscription, change.stream_height) == (SessionState.MEDIA, 2, 360)


async def test_the_renditions_of_further_streams_are_events_of_their_own() -> None:
    told = Told()
    told.events.media(told.viewer, [(Subscription("live/s1", 0), 720), (Subscription("live/s2", 1), 0)])
    changes = await told.hear_all()

    assert [(c.state, c.subscription, c.stream_height) for c in changes] == [
        (SessionState.MEDIA, 0, 720),
        (None, 1, 0),
    ]


async def test_the_connection_of_another_viewer_is_told_all_the_same() -> None:
    told = Told()
    another = Viewer(request(), plane_session=PlaneSession(2), worker=0, local=LOCAL, now=0.0)
    told.events.connected(another)
    told.events.media(told.viewer)
    changes = await told.hear_all()

    assert [(c.session, c.state) for c in changes] == [
        (another.session, SessionState.CONNECTED),
        (told.viewer.session, SessionState.MEDIA),
    ]


async def test_what_was_told_between_a_connection_and_a_first_packet_keeps_its_place() -> None:
    told = Told()
    told.events.connected(told.viewer)
    told.events.rates(told.viewer, room_bps=900, video_bps=0, audio_bps=0)
    told.events.media(told.viewer)
    changes = await told.hear_all()

    assert [change.state for change in changes] == [SessionState.CONNECTED, None, SessionState.MEDIA]


@pytest.mark.parametrize(("place", "height"), [(0, 0), (0, 360), (3, 720)])
async def test_a_rendition_of_one_stream_is_no_new_state(place: int, height: int) -> None:
    told = Told()
    told.events.height(told.viewer, Subscription("live/s1", place), height)
    change = await told.hear()

    assert (change.state, change.subscription, change.stream_height) == (None, place, height)


async def test_the_end_of_one_stream_is_no_new_state() -> None:
    told = Told()
    told.events.subscription_ended(told.viewer, Subscription("live/s1", 1), EndReason.STREAM_ENDED)
    change = await told.hear()

    assert (change.state, change.subscription, change.reason) == (None, 1, EndReason.STREAM_ENDED)


async def test_bit_rates_are_no_new_state() -> None:
    told = Told()
    told.events.rates(told.viewer, room_bps=900, video_bps=800, audio_bps=60)
    change = await told.hear()

    assert (change.state, change.target_bitrate_bps) == (None, 900)
    assert (change.video_bitrate_bps, change.audio_bitrate_bps) == (800, 60)


@pytest.mark.parametrize("reason", EndReason)
async def test_an_end_with_its_reason(reason: EndReason) -> None:
    told = Told()
    told.events.closed(told.viewer, reason)
    change = await told.hear()

    assert (change.state, change.reason) == (SessionState.CLOSED, reason)
