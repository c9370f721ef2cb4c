"""Publishers that were let in and have not brought their media yet."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, SessionId, StreamId
from services.signaling.core.domain.recent_streams import RecentStreams

APP = AppName("live")
ONE, TWO, OTHER = StreamId("one"), StreamId("two"), StreamId("other")


def coming(*streams: StreamId, until_s: float = 10.0) -> RecentStreams:
    recent = RecentStreams()
    for number, stream in enumerate(streams):
        recent.add(APP, stream, SessionId(str(number)), until_s)
    return recent


def never(app: AppName, stream: StreamId) -> bool:
    return False


def test_publishers_of_one_stream_count_once_and_those_of_ones_own_do_not_count() -> None:
    recent = coming(ONE, ONE, TWO)

    assert recent.count(APP, OTHER, never, 1.0) == 2
    assert recent.count(APP, ONE, never, 1.0) == 1
    assert recent.count(AppName("another"), OTHER, never, 1.0) == 0


def test_who_has_brought_media_or_had_its_time_is_forgotten() -> None:
    recent = coming(ONE, TWO)

    assert recent.count(APP, OTHER, lambda _, stream: stream == ONE, 1.0) == 1
    assert len(recent) == 1
    assert recent.count(APP, OTHER, never, 10.0) == 0
    assert len(recent) == 0


def test_who_is_refused_after_all_leaves_the_others_of_the_same_stream() -> None:
    recent = coming(ONE, ONE)

    recent.drop(SessionId("0"))
    recent.drop(SessionId("unknown"))

    assert recent.count(APP, OTHER, never, 1.0) == 1
    assert len(recent) == 1
