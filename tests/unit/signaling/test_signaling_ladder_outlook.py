"""In which codecs a stream will soon be had: what the app or the broadcast asks for, if somebody can make it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.cluster.stream_directory import StreamDirectory
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderRung, StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.runtime.ports import Entry
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.usecases.ladder_outlook import LadderOutlook

LIVE, STREAM = AppName("live"), StreamId("s1")
RUNG = LadderRung(height=360, video_bitrate=600_000)


class Streams(StreamDirectory):
    def live(self, app: AppName, stream: StreamId) -> Any:
        return self.get(app, stream)


class World:
    """One app, and one stream at most."""

    def __init__(self, **settings: Any) -> None:
        apps = AppCatalog([], {LIVE: AppSettings(app_name=LIVE, **settings)})
        self.streams = Streams()
        self.broadcasts = BroadcastCatalog()
        self.transcoder_lives = True
        self.outlook = LadderOutlook(apps, self.broadcasts, self.streams, lambda: self.transcoder_lives)  # type: ignore[arg-type]

    def publish(self, video: str, height: int = 0) -> None:
        sound = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)
        picture = TrackRecord(
            track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec=video, clock_rate=90_000, height=height
        )
        record = StreamRecord(
            app=LIVE,
            stream=STREAM,
            owner=NodeId("o"),
            publisher_session=SessionId("p"),
            tracks=(sound, picture) if video else (sound,),
            media_flowing=True,
        )
        self.streams.apply_stream(Entry(stream_key(LIVE, STREAM), msgspec.json.encode(record), 1), 0.0)

    def to_come(self) -> tuple[str, ...]:
        return self.outlook.codecs_to_come(LIVE, STREAM)

    def ladder(self) -> tuple[str, ...]:
        return self.outlook.ladder_codecs(LIVE, STREAM)


@pytest.mark.parametrize(
    ("video", "to_come"),
    [
        ("H264", ("VP8",)),
        ("VP8", ("H264",)),
        ("VP9", ("H264", "VP8")),
        ("H265", ("H264", "VP8")),
        ("H266", ()),
        ("", ()),
    ],
)
def test_what_is_not_there_yet_comes_if_the_picture_can_be_decoded(video: str, to_come: tuple[str, ...]) -> None:
    world = World(encoder_settings=(RUNG,), vp8_enabled=True)
    world.publish(video)
    assert world.to_come() == to_come
    assert world.ladder() == ("H264", "VP8")


def test_an_app_without_a_ladder_has_nothing_to_come() -> None:
    world = World()
    world.publish("VP8")
    assert (world.to_come(), world.ladder()) == ((), ())


def test_a_stream_that_is_not_live_has_nothing_to_come_and_has_a_ladder() -> None:
    world = World(encoder_settings=(RUNG,))
    assert (world.to_come(), world.ladder()) == ((), ("H264",))


def test_nothing_comes_while_no_transcoder_takes_work() -> None:
    world = World(encoder_settings=(RUNG,))
    world.publish("VP8")
    assert (world.to_come(), world.ladder()) == (("H264",), ("H264",))
    world.transcoder_lives = False
    assert (world.to_come(), world.ladder()) == ((), ())


def test_an_app_that_does_not_exist_has_nothing() -> None:
    world = World(encoder_settings=(RUNG,))
    unknown = AppName("none")
    assert world.outlook.codecs_to_come(unknown, STREAM) == ()
    assert world.outlook.ladder_codecs(unknown, STREAM) == ()


@pytest.mark.parametrize(("own", "ladder"), [((), ()), ((RUNG,), ("H264",)), (None, ("H264",))])
def test_the_rungs_of_a_broadcast_count_before_those_of_its_app(
    own: tuple[LadderRung, ...] | None, ladder: object
) -> None:
    world = World(encoder_settings=(RUNG,))
    record = BroadcastRecord(stream_id=STREAM, encoder_settings_list=own)
    world.broadcasts.apply(Entry(stream_key(LIVE, STREAM), msgspec.json.encode(record), 1))
    assert world.ladder() == ladder


@pytest.mark.parametrize(
    ("height", "transcoder_lives", "rungs", "to_come"),
    [
        (720, True, (RUNG,), True),
        (720, False, (RUNG,), False),
        (720, True, (), False),
        (360, True, (RUNG,), False),
        (240, True, (RUNG,), False),
    ],
)
def test_a_rung_that_fits_the_source_and_is_not_there_is_to_come(
    height: int, transcoder_lives: bool, rungs: tuple[LadderRung, ...], to_come: bool
) -> None:
    world = World(encoder_settings=rungs)
    world.transcoder_lives = transcoder_lives
    assert not world.outlook.rungs_to_come(LIVE, STREAM)
    world.publish("VP8", height)
    assert world.outlook.rungs_to_come(LIVE, STREAM) == to_come
