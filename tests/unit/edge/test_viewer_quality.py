"""How well it goes for one viewer, second by second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from rillcast.cluster.health import BEHIND_MS, FIRST_PICTURE_S, LONG_WAY_MS, LOSS, STALLED_S
from rillcast.contracts.health import Trouble
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import PlaneSession, SessionStats
from services.edge.domain.stage import Stage
from services.edge.domain.viewer_quality import LOSS_WEIGHT, ViewerQuality


@dataclass
class Track:
    kind: MediaKind = MediaKind.VIDEO
    muted: bool = False
    lower: bool = False


@dataclass
class Watching:
    stage: Stage = Stage.MEDIA
    starved: bool = False
    tracks: list[Track] = field(default_factory=lambda: [Track(), Track(MediaKind.AUDIO)])


class Followed:
    """A viewer whose figures come once a second."""

    def __init__(self) -> None:
        self.viewer = Watching()
        self.now = 100.0
        self.quality = ViewerQuality(self.now)
        self._packets = 0

    def second(self, *, sent: int = 30, **figures: Any) -> Trouble | None:
        self.now += 1.0
        self._packets += sent
        stats = SessionStats(
            session=PlaneSession(1),
            packets_sent=self._packets,
            bytes_sent=0,
            packets_received=0,
            bytes_received=0,
            estimate_bps=0,
            jitter_ms=0.0,
            nacks=0,
            repaired=0,
            dropped=0,
            video_bps=0,
            audio_bps=0,
            **{"fraction_lost": 0.0, "rtt_ms": 20.0, **figures},
        )
        self.quality.heard(self.viewer, stats, self.now)  # type: ignore[arg-type]
        return self.quality.trouble

    def seconds(self, count: int, **figures: Any) -> list[Trouble | None]:
        return [self.second(**figures) for _ in range(count)]


def test_a_viewer_for_whom_all_is_well_has_no_trouble() -> None:
    assert Followed().seconds(60) == [None] * 60


def test_who_is_connected_and_gets_nothing_has_a_trouble_after_some_seconds_and_none_with_the_first_packet() -> None:
    followed = Followed()
    followed.viewer.stage = Stage.CONNECTED
    troubles = followed.seconds(6, sent=0)
    first = troubles.index(Trouble.NO_FIRST_PICTURE)
    assert first == FIRST_PICTURE_S
    assert troubles == [None] * first + [Trouble.NO_FIRST_PICTURE] * (6 - first)
    followed.viewer.stage = Stage.MEDIA
    assert followed.second() is None


def test_the_time_before_it_was_connected_does_not_count() -> None:
    followed = Followed()
    followed.now += 60.0
    followed.viewer.stage = Stage.CONNECTED
    assert followed.second(sent=0) is None


def test_a_picture_stands_still_when_nothing_is_sent_and_goes_on_with_the_next_packet() -> None:
    followed = Followed()
    followed.seconds(5)
    assert followed.seconds(4, sent=0) == [None] * (int(STALLED_S) - 1) + [Trouble.NOTHING_SENT] * (5 - int(STALLED_S))
    assert followed.second() is None


@pytest.mark.parametrize("muted", [(True, True), (True, False)])
def test_who_wants_nothing_is_not_stalled(muted: tuple[bool, bool]) -> None:
    followed = Followed()
    for track, off in zip(followed.viewer.tracks, muted, strict=True):
        track.muted = off
    expected = None if all(muted) else Trouble.NOTHING_SENT
    assert followed.seconds(10, sent=0)[-1] is expected


def test_a_pause_does_not_count_when_it_is_over() -> None:
    followed = Followed()
    for track in followed.viewer.tracks:
        track.muted = True
    followed.seconds(10, sent=0)
    for track in followed.viewer.tracks:
        track.muted = False
    assert followed.second(sent=0) is None


def test_one_bad_second_is_no_trouble_and_lasting_loss_is_and_goes_away_again() -> None:
    followed = Followed()
    assert followed.second(fraction_lost=LOSS) is None
    assert followed.quality.loss == pytest.approx(LOSS * LOSS_WEIGHT)
    assert followed.seconds(20, fraction_lost=2 * LOSS)[-1] is Trouble.PACKET_LOSS
    assert followed.quality.loss == pytest.approx(2 * LOSS, rel=0.01)
    assert followed.seconds(20)[-1] is None


@pytest.mark.parametrize(
    ("figures", "trouble"),
    [
        ({"lag_ms": BEHIND_MS}, Trouble.FAR_BEHIND),
        ({"lag_ms": BEHIND_MS - 1}, None),
        ({"rtt_ms": LONG_WAY_MS}, Trouble.LONG_WAY),
        ({"rtt_ms": LONG_WAY_MS - 1}, None),
        ({"rtt_ms": LONG_WAY_MS, "lag_ms": BEHIND_MS}, Trouble.FAR_BEHIND),
    ],
)
def test_figures_of_the_link_have_a_bound_each_and_the_worse_one_counts(
    figures: dict[str, Any], trouble: Trouble | None
) -> None:
    assert Followed().second(**figures) is trouble


def test_a_link_that_carries_nothing_is_worse_than_a_lower_rendition() -> None:
    followed = Followed()
    followed.viewer.tracks[0].lower = True
    assert followed.second() is Trouble.LOWER_RENDITION
    followed.viewer.starved = True
    assert followed.second() is Trouble.LINK_TOO_SLOW


def test_a_lower_sound_is_no_trouble() -> None:
    followed = Followed()
    followed.viewer.tracks[1].lower = True
    assert followed.second() is None


def test_a_session_without_tracks_is_never_stalled() -> None:
    followed = Followed()
    followed.viewer.tracks.clear()
    assert followed.seconds(10, sent=0)[-1] is None
