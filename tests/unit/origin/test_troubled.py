"""Which streams an origin tells of in its heartbeat, since they do not come well."""

from __future__ import annotations

from rillcast.cluster.health import PUBLISHER_LOSS
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId
from rillcast.contracts.messages.nodes import MOST_TROUBLES
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId, SourceStats
from services.origin.domain.incoming_loss import LEAST_S
from services.origin.domain.owned_stream import OwnedStream, Publisher
from services.origin.domain.takeover import Marks
from services.origin.domain.troubled import KEYFRAME_S, troubled

V0 = TrackId("v0")
VIDEO = TrackRecord(track=V0, mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)


class Stream:
    """One whose figures come every second, from 0 on."""

    def __init__(self, name: str = "s1", track: TrackRecord = VIDEO) -> None:
        publisher = Publisher(
            app=AppName("live"), stream=StreamId(name), session=SessionId(name), marks=Marks(), start_timeout_s=10.0
        )
        self.stream = OwnedStream(publisher, [track], node=NodeId("o1"), wall_ms=1)
        self.stream.begin(publisher, 0.0)
        self._track = track
        self.now = 0.0
        self._packets = self._lost = self._silent_ms = 0

    def seconds(self, count: int, *, keyframes: int = 1, lost: int = 0, came: int = 98) -> Stream:
        for _ in range(count):
            self.now += 1.0
            self._packets += came
            self._lost += lost
            self._silent_ms = 0 if came else self._silent_ms + 1_000
            stats = SourceStats(
                source=SourceId(1),
                bitrate_bps=1_000_000,
                packets=self._packets,
                lost=self._lost,
                recovered=0,
                keyframes=keyframes,
                frames_per_second=30.0,
                width=0,
                height=0,
                consumers=0,
                silent_ms=self._silent_ms,
            )
            self.stream.heard(self._track.track, stats, self.now)
            self.stream.notice_silence(self.now)
        return self

    @property
    def told(self) -> list[Trouble]:
        return [one.trouble for one in troubled([self.stream], self.now)]


def test_a_stream_that_comes_well_is_not_told() -> None:
    assert Stream().seconds(30).told == []


def test_a_picture_without_a_keyframe_is_told_after_some_seconds_of_media() -> None:
    stream = Stream().seconds(1, keyframes=0)
    while stream.stream.media.flowed_s(stream.now) < KEYFRAME_S:
        assert stream.told == []
        stream.seconds(1, keyframes=0)
    assert stream.told == [Trouble.NO_KEYFRAME]
    assert stream.seconds(1).told == []


def test_sound_alone_needs_no_keyframe() -> None:
    assert Stream(track=AUDIO).seconds(30, keyframes=0).told == []


def test_a_publisher_who_loses_much_is_told_until_it_does_not() -> None:
    stream = Stream().seconds(1).seconds(30, lost=2 * round(100 * PUBLISHER_LOSS))
    assert stream.told == [Trouble.PUBLISHER_LOSS]
    assert stream.seconds(30).told == []


def test_little_loss_is_not_told() -> None:
    assert Stream().seconds(int(20 * LEAST_S), lost=1).told == []


def test_of_a_silent_stream_the_record_tells() -> None:
    stream = Stream().seconds(5, keyframes=0)
    assert stream.told == [Trouble.NO_KEYFRAME]
    stream.seconds(60, keyframes=0, came=0)
    assert stream.stream.silent
    assert stream.told == []


def test_only_so_many_are_told_and_each_by_its_name() -> None:
    streams = [Stream(f"s{number}").seconds(6, keyframes=0) for number in range(3 * MOST_TROUBLES)]
    found = troubled((one.stream for one in streams), 6.0)
    assert len(found) == MOST_TROUBLES
    assert (found[0].app, found[0].stream, found[0].viewers) == ("live", "s0", 0)
