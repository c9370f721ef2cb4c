"""A rung begins with its first watcher and ends a while after its last one."""

from __future__ import annotations

import itertools

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.media.protocol import AddPushSource, ClockSeen, RemoveSource, SetClock, SourceId
from rillcast.testing.plane import FakePlane
from services.transcoder.domain.ladder import Rung, track_record
from services.transcoder.usecases.watched_rungs import WatchedRungs
from tests.unit.transcoder.cluster import VIDEO

HIGH = Rung(track=TrackId("v0.180p"), codec="H264", width=320, height=180, bitrate_bps=300_000)
LOW = Rung(track=TrackId("v0.90p"), codec="H264", width=160, height=90, bitrate_bps=100_000)
LINGER_S = 5.0


class Host:
    """`work.Host`, as far as it is used here."""

    def __init__(self) -> None:
        self.takers: set[TrackId] = set()
        self.ended: list[TrackId] = []

    def announce(self) -> None: ...

    def wake(self) -> None: ...

    def load_changed(self) -> None: ...

    def want_keyframe(self) -> None: ...

    def taken(self) -> set[TrackId]:
        return self.takers

    def end_relays(self, track: TrackId) -> None:
        self.ended.append(track)


class Bench:
    def __init__(self) -> None:
        self.host, self.plane = Host(), FakePlane()
        self.rungs = WatchedRungs(
            self.host, worker=0, plane=self.plane, sources=map(SourceId, itertools.count(1)), linger_s=LINGER_S
        )

    def take(self, rung: Rung) -> int:
        self.host.takers.add(rung.track)
        return self.rungs.source_of(rung, track_record(rung, VIDEO))

    def tracks(self) -> list[str]:
        return [rung.track for rung in self.rungs.rungs]


def test_the_first_taker_begins_a_rung_and_others_share_its_source() -> None:
    bench = Bench()
    assert bench.take(LOW) == bench.take(LOW)
    assert bench.take(HIGH) != bench.take(LOW)
    assert len(bench.plane.of(AddPushSource)) == 2
    assert bench.tracks() == ["v0.180p", "v0.90p"], "highest first"


def test_a_rung_ends_a_while_after_its_last_taker_and_not_if_one_came_in_between() -> None:
    bench = Bench()
    source = bench.take(LOW)
    bench.host.takers.clear()
    bench.rungs.expire(100.0)
    bench.take(LOW)
    bench.host.takers.clear()
    bench.rungs.expire(100.0 + LINGER_S)
    assert bench.tracks() == ["v0.90p"]
    bench.rungs.expire(100.0 + 2 * LINGER_S)
    assert bench.tracks() == []
    assert bench.plane.of(RemoveSource) == [RemoveSource(source=SourceId(source))]
    assert bench.host.ended == [LOW.track]


def test_a_rung_that_is_no_longer_planned_ends_with_its_relays() -> None:
    bench = Bench()
    bench.take(HIGH)
    bench.take(LOW)
    bench.rungs.update((LOW,))
    assert bench.tracks() == ["v0.90p"]
    assert bench.host.ended == [HIGH.track]


def test_a_rung_whose_size_changes_keeps_its_source() -> None:
    bench = Bench()
    source = bench.take(LOW)
    wider = msgspec.structs.replace(LOW, width=200)
    bench.rungs.update((wider,))
    assert bench.rungs.rungs == (wider,)
    assert bench.take(wider) == source


def test_with_begin_all_every_planned_rung_is_made_and_stays() -> None:
    bench = Bench()
    bench.rungs.update((HIGH, LOW), begin_all=lambda rung: track_record(rung, VIDEO))
    bench.rungs.expire(100.0)
    bench.rungs.expire(100.0 + 2 * LINGER_S)
    assert bench.tracks() == ["v0.180p", "v0.90p"]
    bench.rungs.update((HIGH, LOW))
    bench.rungs.expire(200.0)
    bench.rungs.expire(200.0 + LINGER_S)
    assert bench.tracks() == []


def test_the_sources_clock_holds_for_rungs_that_are_there_and_that_come() -> None:
    bench = Bench()
    first = bench.take(LOW)
    bench.rungs.clock(ClockSeen(source=SourceId(99), ntp=5, rtp_ts=6))
    second = bench.take(HIGH)
    assert bench.plane.of(SetClock) == [
        SetClock(source=SourceId(first), ntp=5, rtp_ts=6),
        SetClock(source=SourceId(second), ntp=5, rtp_ts=6),
    ]


def test_packets_go_to_the_rungs_source_and_of_a_rung_that_ended_nowhere() -> None:
    bench = Bench()
    source = bench.take(LOW)
    bench.rungs.push(LOW.track, [b"one"])
    assert bench.rungs.track_of(SourceId(source)) == LOW.track
    bench.rungs.close()
    bench.rungs.push(LOW.track, [b"two"])
    assert bench.plane.pushed == [(source, [b"one"])]
    assert bench.rungs.track_of(SourceId(source)) is None
