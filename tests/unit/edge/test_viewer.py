"""The table of viewers: who is overdue, who watches what, and nothing left of who is gone."""

from __future__ import annotations

from typing import Any

import pytest
from edge_harness import request

from rillcast.contracts.ids import AppName, SessionId, StreamId, stream_key
from rillcast.contracts.words import EndReason
from rillcast.media.sdp import LocalTransport
from rillcast.node.load import MediaLimits, MediaLoad
from services.edge.domain import viewer as viewer_module
from services.edge.domain.stage import Stage, StageEvent
from services.edge.domain.viewer import Viewer, Viewers


def transport(worker: int) -> LocalTransport:
    return LocalTransport(ufrag="u", pwd="p", fingerprint="", addresses=("192.0.2.2",), port=50_000 + worker)


class Table:
    def __init__(self) -> None:
        self.load = MediaLoad(1, MediaLimits())
        self.viewers = Viewers(self.load, transport)

    def add(self, now: float = 0.0, key: str = "live/s1", **changes: Any) -> Viewer:
        viewer = self.viewers.add(request(**changes), now)
        self.viewers.subscribe(viewer, key)
        return viewer

    def reach(self, viewer: Viewer, *events: StageEvent) -> None:
        for event in events:
            self.viewers.advance(viewer, event)


def test_viewers_that_take_too_long_are_overdue_once_each_and_the_soonest_first() -> None:
    table = Table()
    late = table.add(start_timeout_ms=5_000)
    soon = table.add(start_timeout_ms=2_000)
    assert list(table.viewers.overdue(1.9)) == []

    assert list(table.viewers.overdue(5.0)) == [soon, late]
    assert list(table.viewers.overdue(9.0)) == []


def test_of_a_crowd_that_joined_at_once_some_are_overdue_in_each_call_and_all_in_the_end() -> None:
    table = Table()
    crowd = [table.add() for _ in range(2 * viewer_module.MOST_DEADLINES + 1)]
    table.reach(crowd[0], StageEvent.BEGUN, StageEvent.CONNECTED)

    first, second, third, fourth = (list(table.viewers.overdue(60.0)) for _ in range(4))

    assert (len(first), len(second), third, fourth) == (127, 128, crowd[-1:], [])
    assert first + second + third == crowd[1:], "who is connected is passed over"


def test_who_is_connected_or_gone_is_not_overdue_and_leaves_nothing_behind() -> None:
    table = Table()
    connected, gone = table.add(), table.add()
    table.reach(connected, StageEvent.BEGUN, StageEvent.CONNECTED)
    table.viewers.remove(gone, EndReason.STOPPED)

    assert list(table.viewers.overdue(60.0)) == []
    assert table.viewers._deadlines == []


def test_connecting_counts_those_that_are_not_connected_yet() -> None:
    table = Table()
    first, second, third = table.add(), table.add(), table.add()
    assert table.viewers.connecting == 3

    table.reach(first, StageEvent.BEGUN, StageEvent.MEDIA, StageEvent.CONNECTED)
    table.viewers.remove(second, EndReason.STOPPED)
    assert table.viewers.connecting == 1
    table.viewers.remove(first, EndReason.STOPPED)
    table.viewers.remove(third, EndReason.STOPPED)
    assert table.viewers.connecting == 0


def test_an_event_that_can_not_happen_changes_nothing_and_is_loud() -> None:
    table = Table()
    viewer = table.add()

    with pytest.raises(KeyError):
        table.viewers.advance(viewer, StageEvent.MEDIA)

    assert viewer.stage is Stage.OPENING


def test_a_session_may_hold_any_number_of_subscriptions() -> None:
    table = Table()
    viewer = table.add(key="live/s1")
    second = table.viewers.subscribe(viewer, "live/s2")
    assert set(table.viewers.streams) == {"live/s1", "live/s2"}

    table.viewers.unsubscribe(viewer, second)

    assert table.viewers.streams == ("live/s1",)
    assert not table.viewers.watched("live/s2")
    assert table.viewers.session(viewer.session) is viewer


def test_a_session_without_a_subscription_is_a_session() -> None:
    table = Table()
    viewer = table.viewers.add(request(), 0.0)

    assert (len(table.viewers), table.viewers.carried()) == (1, ())
    table.viewers.remove(viewer, EndReason.STOPPED)
    assert len(table.viewers) == 0


def test_who_has_not_connected_is_no_viewer_yet() -> None:
    table = Table()
    half_open = [table.add() for _ in range(5)]
    table.viewers.subscribe(half_open[0], "live/s2")

    def counted() -> dict[str, int]:
        return {str(one.stream): one.viewers for one in table.viewers.carried()}

    assert counted() == {"s1": 0, "s2": 0}
    table.reach(half_open[0], StageEvent.BEGUN, StageEvent.CONNECTED, StageEvent.CONNECTED, StageEvent.MEDIA)
    assert counted() == {"s1": 1, "s2": 1}
    table.viewers.unsubscribe(half_open[1], half_open[1].subscriptions[0])
    for viewer in half_open[2:]:
        table.viewers.remove(viewer, EndReason.ICE_TIMEOUT)
    assert counted() == {"s1": 1, "s2": 1}
    table.viewers.remove(half_open[0], EndReason.STOPPED)

    assert counted() == {}
    assert not table.viewers._connecting_to


def test_removing_a_viewer_leaves_nothing() -> None:
    table = Table()
    viewer = table.add(session=SessionId("x"))
    table.viewers.note_starved(viewer, True)

    assert table.viewers.remove(viewer, EndReason.STOPPED)
    assert not table.viewers.remove(viewer, EndReason.DRAINING)

    assert viewer.ended is EndReason.STOPPED
    assert table.viewers.session(SessionId("x")) is table.viewers.plane(viewer.plane_session) is None
    assert (table.viewers.streams, table.viewers.starved, table.load.sessions) == ((), 0, 0)


def test_the_heartbeat_names_the_streams_with_most_viewers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "MOST_CARRIED", 2)
    table = Table()
    for name, count in (("few", 1), ("a.b", 3), ("many", 5)):
        for _ in range(count):
            table.reach(
                table.add(key=stream_key(AppName("live"), StreamId(name))), StageEvent.BEGUN, StageEvent.CONNECTED
            )

    assert [(c.app, c.stream, c.viewers) for c in table.viewers.carried()] == [("live", "many", 5), ("live", "a.b", 3)]
