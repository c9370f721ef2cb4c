"""When viewers are shown a backup, and when their publisher again: a state table in time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.apps.backup_wish import BackupWish
from rillcast.contracts.ids import StreamId, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId, SourceStats
from services.origin.domain.backup_cover import BACK_S, MOST_BACK_S, RELAPSE_S, BackupCover, Step
from services.origin.domain.publisher_media import PublisherMedia

V0, A0 = TrackId("v0"), TrackId("a0")
TRACKS = (
    TrackRecord(track=V0, mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000),
    TrackRecord(track=A0, mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2),
)
SLATE = BackupWish(stream=StreamId("slate"), after_s=1.0, longest_s=60)
OTHER = BackupWish(stream=StreamId("other"), after_s=1.0, longest_s=60)
TICK_S = 0.1


class Show:
    """One stream in time. `sends`: whether its publisher does; `live`: whether the backup has media."""

    def __init__(self, wish: BackupWish | None = SLATE) -> None:
        self.now = 0.0
        self.media = PublisherMedia(0.0)
        self.media.lay_out(TRACKS)
        self.cover = BackupCover()
        self.wish = wish
        self.live = self.sends = self.connected = self.keyframes_come = True
        self.sent_at, self.packets, self.keyframes = 0.0, 0, 0
        self.steps: list[tuple[float, Step]] = []
        self._ticks = itertools.count(1)

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            tick = next(self._ticks)
            self.now = tick * TICK_S
            if self.sends:
                self.sent_at, self.packets = self.now, self.packets + 8
                self.keyframes += self.keyframes_come and tick % 5 == 0
            if tick % 10 == 0:
                self._figures()
            step = self.cover.look(self.media, self.wish, self.now, live=self.live, connected=self.connected)
            if step is not None:
                self.steps.append((self.now, step))

    def _figures(self) -> None:
        for name, keyframes in ((V0, self.keyframes), (A0, 0)):
            figures = SourceStats(
                source=SourceId(1),
                bitrate_bps=0,
                packets=self.packets,
                lost=0,
                recovered=0,
                keyframes=keyframes,
                frames_per_second=30.0,
                width=0,
                height=0,
                consumers=0,
                silent_ms=round((self.now - self.sent_at) * 1_000),
            )
            self.media.heard(name, figures, self.now)

    @property
    def on_backup(self) -> bool:
        return self.cover.shown is not None

    def goes(self, seconds: float) -> None:
        """The publisher is silent for so long, then back."""
        self.sends = False
        self.passes(seconds)
        self.sends = True


def test_a_publisher_that_is_there_is_shown() -> None:
    show = Show()
    show.passes(20)
    assert show.steps == []


def test_a_silence_shows_the_backup_and_the_return_the_publisher() -> None:
    show = Show()
    show.passes(5)
    show.goes(10)
    show.passes(10)
    (taken, one), (returned, other) = show.steps
    assert (one, other) == (Step.TAKEN, Step.RETURNED)
    assert 6.0 <= taken <= 6.7
    assert 15 + BACK_S <= returned <= 15 + BACK_S + 1.2


def test_a_short_silence_shows_nothing_else() -> None:
    show = Show()
    show.passes(5)
    show.goes(0.8)
    show.passes(10)
    assert show.steps == []


@pytest.mark.parametrize("missing", ["wish", "live"])
def test_without_a_backup_that_plays_nothing_is_taken(missing: str) -> None:
    show = Show()
    setattr(show, missing, None)
    show.passes(5)
    show.goes(10)
    assert show.steps == []


def test_a_backup_that_comes_during_the_silence_is_taken_at_once() -> None:
    show = Show()
    show.live = False
    show.passes(5)
    show.sends = False
    show.passes(10)
    show.live = True
    show.passes(0.1)
    assert [step for _, step in show.steps] == [Step.TAKEN]


def test_a_backup_that_is_set_during_the_silence_is_taken_at_once() -> None:
    show = Show(wish=None)
    show.passes(5)
    show.sends = False
    show.passes(10)
    show.wish = SLATE
    show.passes(0.1)
    assert [step for _, step in show.steps] == [Step.TAKEN]


def test_the_backups_own_end_leaves_the_publisher_and_its_return_is_taken_again() -> None:
    show = Show()
    show.passes(5)
    show.sends = False
    show.passes(5)
    show.live = False
    show.passes(5)
    assert not show.on_backup
    show.live = True
    show.passes(5)
    assert [step for _, step in show.steps] == [Step.TAKEN, Step.LOST, Step.TAKEN]


def test_another_backup_is_shown_at_once_and_none_when_none_is_asked_for() -> None:
    show = Show()
    show.sends = False
    show.passes(5)
    show.wish = OTHER
    show.passes(0.1)
    assert show.cover.shown == OTHER
    show.wish = None
    show.passes(0.1)
    assert [step for _, step in show.steps] == [Step.TAKEN, Step.OTHER, Step.UNSET]


def test_without_a_keyframe_nobody_goes_back() -> None:
    show = Show()
    show.passes(5)
    show.sends = show.keyframes_come = False
    show.passes(5)
    show.sends = True
    show.passes(10)
    assert show.on_backup
    show.keyframes_come = True
    show.passes(2)
    assert not show.on_backup


def test_a_sign_of_life_is_no_return() -> None:
    show = Show()
    show.passes(5)
    show.goes(5)
    show.passes(0.5)
    show.goes(10)
    assert [step for _, step in show.steps] == [Step.TAKEN]


def test_who_comes_and_goes_has_to_stay_longer_each_time() -> None:
    show = Show()
    show.passes(5)
    waits = []
    for _ in range(6):
        show.goes(4)
        back = show.now
        while show.on_backup:
            show.passes(0.1)
        waits.append(show.now - back)
    assert waits == sorted(waits)
    assert waits[0] < BACK_S + 1.3
    assert waits[-1] >= MOST_BACK_S
    show.passes(RELAPSE_S + 1)
    show.goes(4)
    back = show.now
    while show.on_backup:
        show.passes(0.1)
    assert show.now - back < BACK_S + 1.3, "who has stayed begins anew"


def test_a_stream_is_kept_so_long_and_no_longer() -> None:
    show = Show()
    show.sends = False
    show.passes(3)
    assert show.cover.keeps(gone_at=2.0, now=61.9)
    assert not show.cover.keeps(gone_at=2.0, now=62.0)
    show.live = False
    show.passes(0.1)
    assert not show.cover.keeps(gone_at=2.0, now=10.0)


STEP = st.one_of(
    st.tuples(st.just("sends"), st.booleans()),
    st.tuples(st.just("live"), st.booleans()),
    st.tuples(st.just("connected"), st.booleans()),
    st.tuples(st.just("keyframes_come"), st.booleans()),
    st.tuples(st.just("wish"), st.sampled_from((None, SLATE, OTHER))),
    st.tuples(st.just("passes"), st.sampled_from((0.1, 0.7, 1.3, 4.0, 12.0))),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_in_the_end_viewers_see_their_publisher_iff_it_sends_or_there_is_no_backup(
    steps: list[tuple[str, object]],
) -> None:
    show = Show()
    for name, value in steps:
        if name == "passes":
            assert isinstance(value, float)
            show.passes(value)
        else:
            setattr(show, name, value)
    show.keyframes_come = True
    show.passes(MOST_BACK_S + 4)

    assert show.on_backup == (not show.sends and show.live and show.wish is not None)
    assert show.cover.shown in (None, show.wish)
    now_shown = [step in (Step.TAKEN, Step.OTHER) for _, step in show.steps]
    assert show.on_backup == (bool(now_shown) and now_shown[-1])
    for (_, one), (_, other) in itertools.pairwise(show.steps):
        assert (one in (Step.TAKEN, Step.OTHER)) != (other is Step.TAKEN), "nothing is taken twice, nor left twice"
