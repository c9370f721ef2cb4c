"""Publishers that were let in and have not brought their media yet."""

from __future__ import annotations

from rillcast.cluster.shares import FAIR_S
from rillcast.contracts.ids import AppName, SessionId, StreamId
from services.signaling.core.domain.recent_streams import LAG_S, RecentStreams

APP = AppName("live")
ONE, TWO, OTHER = StreamId("one"), StreamId("two"), StreamId("other")


def coming(*streams: StreamId, until_s: float = 10.0, client: str = "") -> RecentStreams:
    recent = RecentStreams()
    for number, stream in enumerate(streams):
        recent.add(APP, stream, SessionId(str(number)), client, now_s=0.0, until_s=until_s)
    return recent


def never(app: AppName, stream: StreamId) -> bool:
    return False


def test_publishers_of_one_stream_count_once_and_those_of_ones_own_do_not_count() -> None:
    recent = coming(ONE, ONE, TWO)

    assert recent.coming(APP, OTHER) == 2
    assert recent.coming(APP, ONE) == 1
    assert recent.coming(AppName("another"), OTHER) == 0


def test_what_is_live_or_had_its_time_is_forgotten() -> None:
    recent = coming(ONE, TWO)

    recent.forget(APP, lambda _, stream: stream == ONE, 1.0)
    assert (recent.coming(APP, OTHER), len(recent)) == (1, 1)
    recent.forget(APP, never, 10.0)
    assert (recent.coming(APP, OTHER), len(recent)) == (0, 0)


def test_who_is_refused_after_all_leaves_the_others_of_the_same_stream() -> None:
    recent = coming(ONE, ONE)

    recent.drop(SessionId("0"))
    recent.drop(SessionId("unknown"))

    assert (recent.coming(APP, OTHER), len(recent)) == (1, 1)


def test_a_stream_whose_media_has_come_counts_until_it_is_live_and_gives_no_way() -> None:
    recent = coming(ONE, TWO, client="203.0.113.9")

    assert recent.came(SessionId("0"), 1.0)
    assert (recent.coming(APP, OTHER), recent.arrived(APP, OTHER), recent.arrived(APP, ONE)) == (1, 1, 0)
    recent.forget(APP, never, 1.0 + LAG_S)
    assert recent.arrived(APP, OTHER) == 0


def test_a_stream_gives_way_with_all_its_publishers() -> None:
    recent = coming(ONE, ONE, TWO, client="203.0.113.9")

    assert recent.make_room(APP, OTHER, "198.51.100.1", 2, 0.0) == 1
    assert recent.coming(APP, OTHER) == 1
    assert not recent.came(SessionId("0"), 1.0)
    assert not recent.came(SessionId("1"), 1.0)
    assert recent.came(SessionId("2"), 1.0)


def test_of_those_with_one_each_only_who_has_had_a_fair_time_gives_way() -> None:
    recent = coming(ONE, client="203.0.113.9")

    assert recent.make_room(APP, OTHER, "198.51.100.1", 1, FAIR_S - 0.1) is None
    assert recent.make_room(APP, OTHER, "198.51.100.1", 1, FAIR_S) == 1
    assert len(recent) == 0
