"""The real codecs: RTP in, rungs out, decoded again by a receiver of its own."""

from __future__ import annotations

import os
import random
from itertools import pairwise

import msgspec
import pytest
from av.video.frame import PictureType

from rillcast.contracts.ids import TrackId
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.domain.depacketizer import Depacketizer, EncodedFrame
from services.transcoder.domain.ladder import Rung, width_for
from services.transcoder.ports import Outcome
from tests.unit.transcoder.pictures import FRAME_TICKS, Camera, bar_position, decode, frames_of

MIDDLE = Rung(track=TrackId("v0.180p"), codec="H264", width=320, height=180, bitrate_bps=400_000)
SMALL = Rung(track=TrackId("v0.90p"), codec="H264", width=160, height=90, bitrate_bps=150_000)


class Ladder:
    """An engine with a receiver in front and what it produced."""

    def __init__(self, codec: str = "H264", rungs: tuple[Rung, ...] = (MIDDLE, SMALL)) -> None:
        self.codec = codec
        self.reception = Depacketizer(codec)
        self.engine = LadderEngine(codec, 2.0, EncoderChoice("superfast", hardware=False))
        self.engine.set_rungs(rungs)
        self.packets: dict[TrackId, list[bytes]] = {rung.track: [] for rung in rungs}
        self.outcomes: list[Outcome] = []

    def feed(self, packets: list[bytes]) -> None:
        for packet in packets:
            for frame in self.reception.add(packet, 0.0):
                self.process(frame)

    def process(self, frame: EncodedFrame) -> None:
        outcome = self.engine.process(frame, encode=True)
        self.outcomes.append(outcome)
        for produced in outcome.produced:
            self.packets[produced.track] += produced.packets

    def frames(self, rung: Rung) -> list[EncodedFrame]:
        return frames_of(rung.codec, self.packets[rung.track])


@pytest.mark.parametrize(
    ("codec", "made"),
    [
        ("H264", "H264"),
        ("VP8", "VP8"),
        ("H264", "VP8"),
        ("VP8", "H264"),
        ("VP9", "H264"),
        ("AV1", "H264"),
        ("H265", "H264"),
    ],
)
def test_two_rungs_have_the_right_size_a_moving_picture_and_the_sources_timestamps(codec: str, made: str) -> None:
    rungs = tuple(msgspec.structs.replace(rung, codec=made) for rung in (MIDDLE, SMALL))
    ladder = Ladder(codec, rungs)
    camera = Camera(codec, first_ts=(1 << 32) - 20 * FRAME_TICKS)
    timestamps = []
    for _ in range(60):
        timestamps.append(camera.rtp_ts)
        ladder.feed(camera.frame())
    for rung in rungs:
        frames = ladder.frames(rung)
        pictures = decode(made, frames)
        assert [frame.rtp_ts for frame in frames] == timestamps, (
            "one picture out per picture in, across the 32 bit wrap"
        )
        assert {(picture.width, picture.height) for picture in pictures} == {(rung.width, rung.height)}
        for index in range(0, 56, 5):
            assert bar_position(pictures[index]) == pytest.approx(index / 60 + 1 / 32, abs=0.02)


def test_rungs_of_both_codecs_share_one_scaling_and_lie_on_the_same_pictures() -> None:
    vp8 = msgspec.structs.replace(SMALL, track=TrackId("v0.90p.vp8"), codec="VP8")
    ladder, camera = Ladder(rungs=(SMALL, vp8)), Camera(first_ts=90_000)
    for _ in range(100):
        ladder.feed(camera.frame())
    assert len(ladder.engine._scalers) == 1
    for rung in (SMALL, vp8):
        frames = ladder.frames(rung)
        assert [frame.rtp_ts for frame in frames if frame.keyframe] == [90_000, 180_000, 360_000]
        assert len(decode(rung.codec, frames)) == 100


def test_sequence_numbers_are_continuous_and_the_marker_ends_each_picture() -> None:
    ladder, camera = Ladder(), Camera()
    for _ in range(40):
        ladder.feed(camera.frame())
    packets = ladder.packets[MIDDLE.track]
    sequences = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert all((after - before) % 65_536 == 1 for before, after in pairwise(sequences))
    assert sum(packet[1] >> 7 for packet in packets) == 40
    assert max(len(packet) for packet in packets) <= 1312


def test_keyframes_lie_on_the_same_pictures_in_every_rung_two_seconds_apart() -> None:
    ladder, camera = Ladder(), Camera(first_ts=90_000)
    for _ in range(190):
        ladder.feed(camera.frame())
    for rung in (MIDDLE, SMALL):
        keyframes = [frame.rtp_ts for frame in ladder.frames(rung) if frame.keyframe]
        assert keyframes == [90_000, 180_000, 360_000, 540_000]


def test_a_keyframe_asked_for_comes_with_the_next_picture_of_that_rung_only() -> None:
    ladder, camera = Ladder(), Camera()
    for _ in range(10):
        ladder.feed(camera.frame())
    ladder.engine.want_keyframe(SMALL.track)
    ladder.feed(camera.frame())
    assert [frame.keyframe for frame in ladder.frames(SMALL)][-1]
    assert not [frame.keyframe for frame in ladder.frames(MIDDLE)][-1]


def test_a_rung_added_later_begins_with_a_keyframe_and_a_removed_one_stops() -> None:
    ladder, camera = Ladder(), Camera()
    ladder.engine.set_rungs([MIDDLE])
    for _ in range(5):
        ladder.feed(camera.frame())
    ladder.engine.set_rungs([SMALL])
    for _ in range(5):
        ladder.feed(camera.frame())
    assert len(ladder.frames(MIDDLE)) == 5
    small = ladder.frames(SMALL)
    assert [frame.keyframe for frame in small] == [True, False, False, False, False]


def test_a_change_of_resolution_and_aspect_is_followed() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera(width=640, height=360)
    for _ in range(10):
        ladder.feed(camera.frame())
    camera.resize(320, 180)
    for _ in range(10):
        ladder.feed(camera.frame())
    camera.resize(360, 640)
    for _ in range(10):
        ladder.feed(camera.frame())
    sizes = [(picture.width, picture.height) for picture in decode("H264", ladder.frames(SMALL))]
    assert sizes == [(160, 90)] * 20 + [(50, 90)] * 10


def test_a_444_source_becomes_a_420_rung() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera(pixels="yuv444p")
    for _ in range(10):
        ladder.feed(camera.frame())
    pictures = decode("H264", ladder.frames(SMALL))
    assert len(pictures) == 10
    assert {picture.format.name for picture in pictures} == {"yuv420p"}


def test_garbage_is_counted_and_the_next_keyframe_goes_on() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera()
    for _ in range(5):
        ladder.feed(camera.frame())
    ladder.process(EncodedFrame(b"\0\0\0\1\x65" + random.Random(1).randbytes(300), camera.rtp_ts, False, 0.0))
    ladder.process(EncodedFrame(b"no bitstream at all", camera.rtp_ts + 1, False, 0.0))
    assert any(outcome.undecodable for outcome in ladder.outcomes)
    assert ladder.engine.counts["decode"] >= 1
    before = len(ladder.frames(SMALL))
    ladder.feed(camera.frame(keyframe=True))
    ladder.feed(camera.frame())
    assert len(ladder.frames(SMALL)) == before + 2


def test_bit_errors_anywhere_never_raise() -> None:
    rng = random.Random(7)
    ladder, camera = Ladder(rungs=(SMALL,)), Camera()
    for index in range(90):
        packets = [bytearray(packet) for packet in camera.frame(keyframe=index % 15 == 0)]
        for packet in packets:
            if rng.random() < 0.5:
                packet[rng.randrange(len(packet))] ^= 1 << rng.randrange(8)
        ladder.feed([bytes(packet) for packet in packets])
    for _ in range(3):
        ladder.feed(camera.frame(keyframe=True))
    assert ladder.outcomes[-1].pictures >= 1


def test_frozen_timestamps_give_one_picture_and_a_count() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera()
    for _ in range(20):
        ladder.feed(camera.frame(ticks=0))
    assert len(ladder.frames(SMALL)) == 1
    assert ladder.engine.counts["stale"] == 19


def test_a_timeline_that_jumps_begins_the_encoders_anew() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera(first_ts=500_000_000)
    for _ in range(5):
        ladder.feed(camera.frame())
    camera.rtp_ts = 1_000_000
    for _ in range(5):
        ladder.feed(camera.frame())
    frames = ladder.frames(SMALL)
    assert len(frames) == 10
    assert frames[5].keyframe
    assert frames[5].rtp_ts == 1_000_000


def test_without_encoding_pictures_are_decoded_so_that_the_next_one_can_follow() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera()
    frames = frames_of("H264", [packet for _ in range(10) for packet in camera.frame()])
    for frame in frames[:9]:
        outcome = ladder.engine.process(frame, encode=False)
        assert (outcome.pictures, outcome.produced) == (1, [])
    ladder.process(frames[9])
    (picture,) = decode("H264", ladder.frames(SMALL))
    assert bar_position(picture) == pytest.approx(9 / 60 + 1 / 32, abs=0.02)


def test_the_bit_rate_is_near_what_was_asked_for() -> None:
    rung = Rung(track=TrackId("v0.180p"), codec="H264", width=320, height=180, bitrate_bps=100_000)
    ladder, camera = Ladder(rungs=(rung,)), Camera()
    for _ in range(180):
        ladder.feed(camera.frame())
    bits = 8 * sum(len(packet) - 12 for packet in ladder.packets[rung.track])
    assert bits / 6 <= 1.3 * rung.bitrate_bps


def test_a_ladder_works_on_the_thread_that_runs_it_and_on_no_other() -> None:
    vp8 = msgspec.structs.replace(SMALL, track=TrackId("v0.90p.vp8"), codec="VP8")
    ladder, camera = Ladder("VP9", rungs=(MIDDLE, SMALL, vp8)), Camera("VP9")
    before = set(os.listdir("/proc/self/task"))
    for _ in range(5):
        ladder.feed(camera.frame())
    assert len(ladder.frames(SMALL)) == 5
    assert set(os.listdir("/proc/self/task")) <= before


def test_every_picture_of_a_rung_is_the_next_ones_reference() -> None:
    ladder, camera = Ladder(rungs=(SMALL,)), Camera("H264", first_ts=90_000)
    for _ in range(100):
        ladder.feed(camera.frame())
    frames = ladder.frames(SMALL)
    units = [unit for frame in frames for unit in frame.data.split(b"\0\0\1")[1:]]
    slices = [unit[0] for unit in units if unit[0] & 0x1F in (1, 5)]
    assert len(slices) == 100, "one slice a picture"
    assert all(head & 0x60 for head in slices), "nal_ref_idc: nothing that could be left out"
    kinds = [PictureType(picture.pict_type) for picture in decode("H264", frames)]
    keyframes = [index for index, frame in enumerate(frames) if frame.keyframe]
    assert [index for index, kind in enumerate(kinds) if kind is PictureType.I] == keyframes == [0, 30, 90]
    assert set(kinds) == {PictureType.I, PictureType.P}


def test_a_rung_made_of_a_larger_one_has_the_width_the_source_gives_it_in_any_order_they_come() -> None:
    camera = Camera(width=300, height=308)
    heights = (300, 200, 90)
    widths = {height: width_for(height, 300, 308) for height in heights}
    assert widths[90] != width_for(90, widths[200], 200), "what the larger rung would give it"
    rungs = [
        Rung(track=TrackId(f"v0.{to}p"), codec="H264", width=widths[to], height=to, bitrate_bps=300_000)
        for to in heights
    ]
    ladder = Ladder(rungs=tuple(rungs))
    for order in (rungs[2:], rungs[1:], [rungs[2], rungs[0], rungs[1]]):
        ladder.engine.set_rungs(order)
        for _ in range(3):
            ladder.feed(camera.frame())
    for rung in rungs:
        pictures = decode("H264", ladder.frames(rung))
        assert {(picture.width, picture.height) for picture in pictures} == {(rung.width, rung.height)}
        assert bar_position(pictures[-1]) == pytest.approx(8 / 60 + 1 / 32, abs=0.02)
