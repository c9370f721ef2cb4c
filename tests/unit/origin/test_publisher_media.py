"""Whether a publisher is silent, from figures that come once a second."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId, SourceStats
from services.origin.domain.publisher_media import GAP_S, STILL_S, PublisherMedia

V0, A0 = TrackId("v0"), TrackId("a0")
VIDEO = TrackRecord(track=V0, mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
AUDIO = TrackRecord(track=A0, mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)


def figures(packets: int, silent_s: float, keyframes: int = 0) -> SourceStats:
    return SourceStats(
        source=SourceId(1),
        bitrate_bps=0,
        packets=packets,
        lost=0,
        recovered=0,
        keyframes=keyframes,
        frames_per_second=30.0,
        width=0,
        height=0,
        consumers=0,
        silent_ms=round(silent_s * 1_000),
    )


class Sender:
    """Sends packets at these times to a plane that gives its figures at every full second."""

    def __init__(self, *tracks: TrackRecord) -> None:
        self.media = PublisherMedia(0.0)
        self.media.lay_out(tracks)
        self.sent: dict[TrackId, list[float]] = {track.track: [] for track in tracks}
        self.keyframes: list[float] = []

    def sends(self, track: TrackId, per_s: float, begin: float, end: float) -> None:
        self.sent[track] += [begin + i / per_s for i in range(int((end - begin) * per_s) + 1)]

    def looks(self, second: float) -> None:
        for track, sent in self.sent.items():
            past = [when for when in sent if when <= second]
            keyframes = sum(when <= second for when in self.keyframes) if track == V0 else 0
            self.media.heard(track, figures(len(past), second - max(past, default=0.0), keyframes), second)

    def silent_at(self, now: float, *, connected: bool = True) -> float:
        return self.media.silent_s(now, connected=connected)

    def first_silent(self, after_s: float, until: float, *, connected: bool = True) -> float | None:
        """When a silence is first found, looking every 0.1 s."""
        for tenth in range(int(until * 10)):
            now = tenth / 10
            if tenth % 10 == 0 and tenth:
                self.looks(now)
            if self.silent_at(now + 0.05, connected=connected) >= after_s:
                return now + 0.05
        return None


@pytest.mark.parametrize("stops", [5.05, 5.3, 5.5, 5.7, 5.8, 5.95])
def test_with_sound_a_silence_is_found_in_time(stops: float) -> None:
    sender = Sender(VIDEO, AUDIO)
    sender.sends(V0, 30, 0.1, stops)
    sender.sends(A0, 50, 0.1, stops)
    found = sender.first_silent(1.0, 10)
    assert found is not None
    assert 1.0 <= found - stops <= 1.0 + GAP_S + 0.15


@pytest.mark.parametrize("stops", [5.05, 5.3, 5.5, 5.8, 5.95])
def test_without_sound_only_what_the_figures_show_counts(stops: float) -> None:
    sender = Sender(VIDEO)
    sender.sends(V0, 30, 0.1, stops)
    found = sender.first_silent(1.0, 10)
    assert found is not None
    assert 1.0 + STILL_S <= found - stops <= 1.0 + STILL_S + 1.15


@pytest.mark.parametrize("phase", [0.0, 0.2, 0.4, 0.6, 0.8, 0.99])
def test_a_screen_that_stands_still_is_not_silent(phase: float) -> None:
    sender = Sender(VIDEO)
    sender.sends(V0, 30, 0.1, 4 + phase)
    sender.sends(V0, 1, 5 + phase, 30)
    assert sender.first_silent(1.0, 30) is None


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.6, 0.9])
def test_sound_that_leaves_silence_out_is_not_silent(phase: float) -> None:
    sender = Sender(AUDIO)
    sender.sends(A0, 50, 0.1, 4 + phase)
    sender.sends(A0, 2.5, 4.4 + phase, 30)
    assert sender.first_silent(1.0, 30) is None


def test_late_figures_of_a_publisher_that_is_there_are_no_silence() -> None:
    sender = Sender(VIDEO, AUDIO)
    sender.sends(V0, 30, 0.1, 9)
    sender.sends(A0, 50, 0.1, 9)
    for second in (1, 2, 3):
        sender.looks(second)
    assert sender.silent_at(5.9) < 0.1, "for a node whose loop is held, or whose media thread is"
    sender.looks(6)
    assert sender.silent_at(6.0) < 0.1


def test_one_track_that_flows_is_enough() -> None:
    sender = Sender(VIDEO, AUDIO)
    sender.sends(V0, 30, 0.1, 3)
    sender.sends(A0, 50, 0.1, 20)
    assert sender.first_silent(1.0, 20) is None


def test_of_a_session_that_is_gone_no_figures_are_needed() -> None:
    sender = Sender(VIDEO)
    sender.sends(V0, 30, 0.1, 3)
    for second in (1, 2, 3):
        sender.looks(second)
    assert sender.silent_at(4.25, connected=False) == pytest.approx(1.25, abs=0.05)


def test_media_flows_from_the_first_figures_that_show_it() -> None:
    sender = Sender(VIDEO, AUDIO)
    sender.sends(V0, 30, 0.1, 2)
    sender.sends(A0, 50, 0.1, 2)
    sender.sends(V0, 30, 6.5, 12)
    for second in range(1, 7):
        sender.looks(second)
    assert sender.media.flowed_s(6.0) < 0
    sender.looks(7)
    sender.looks(8)
    assert sender.media.flowed_s(8.5) == 1.5


def test_a_keyframe_is_wanted_until_one_has_come_since() -> None:
    sender = Sender(VIDEO, AUDIO)
    sender.sends(V0, 30, 0.1, 20)
    sender.keyframes = [0.1, 5.5]
    for second in range(1, 5):
        sender.looks(second)
    sender.media.await_keyframe()
    assert sender.media.wants_keyframe
    sender.looks(5)
    assert sender.media.wants_keyframe
    sender.looks(6)
    assert not sender.media.wants_keyframe


def test_sound_alone_wants_no_keyframe() -> None:
    sender = Sender(AUDIO)
    sender.media.await_keyframe()
    assert not sender.media.wants_keyframe


def test_a_source_that_counts_anew_is_heard() -> None:
    media = PublisherMedia(0.0)
    media.lay_out([VIDEO])
    media.heard(V0, figures(5_000, 0.0, keyframes=40), 1.0)
    media.await_keyframe()
    media.heard(V0, figures(10, 0.0, keyframes=0), 2.0)
    assert media.flowed_s(2.5) > 0
    media.heard(V0, figures(40, 0.0, keyframes=1), 3.0)
    assert not media.wants_keyframe
