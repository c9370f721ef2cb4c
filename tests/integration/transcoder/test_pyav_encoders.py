"""Hardware encoders: chosen when they really encode, decided once, given up for software when they fail."""

from __future__ import annotations

from collections import Counter

import av
import pytest
from av.video.frame import VideoFrame

from rillcast.contracts.ids import TrackId
from services.transcoder.adapters.pyav_codecs import Encoder
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.domain.encoders import KINDS, EncoderKind, software, starts_a_stream
from services.transcoder.domain.ladder import Rung
from tests.unit.transcoder.pictures import Camera, decode, frames_of

SMALL = Rung(track=TrackId("v0.90p"), codec="H264", width=160, height=90, bitrate_bps=150_000)


class Card:
    """A machine with some of the hardware: its encoders are x264 under other names."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.opened: Counter[str] = Counter()
        self.late: set[str] = set()
        self.failing = False

    def open(self, kind: EncoderKind, width: int, height: int, bitrate_bps: int, preset: str) -> Encoder:
        if not kind.hardware:
            self.opened[kind.name] += 1
            return Encoder(kind, width, height, bitrate_bps, preset)
        if kind.name not in self.names:
            raise av.error.ExternalError(1, "no device")
        self.opened[kind.name] += 1
        return CardEncoder(self, kind.name, width, height)


class CardEncoder(Encoder):
    def __init__(self, card: Card, name: str, width: int, height: int) -> None:
        super().__init__(software("H264"), width, height, 200_000, "ultrafast")
        self._card, self._name = card, name

    def encode(self, frame: VideoFrame, pts: int, *, keyframe: bool) -> list[av.Packet[av.VideoStream]]:
        if self._card.failing:
            raise av.error.ExternalError(1, "the device is gone")
        encoded = super().encode(frame, pts, keyframe=keyframe)
        return [] if self._name in self._card.late else encoded


def choice(card: Card, *, hardware: bool = True) -> EncoderChoice:
    return EncoderChoice("ultrafast", hardware=hardware, open_encoder=card.open)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ((), "libx264"),
        (("h264_nvenc",), "h264_nvenc"),
        (("h264_vaapi",), "h264_vaapi"),
        (("h264_vaapi", "h264_qsv"), "h264_qsv"),
    ],
)
def test_the_first_encoder_that_works_is_chosen(there: tuple[str, ...], chosen: str) -> None:
    assert choice(Card(*there)).decide() == {"H264": chosen, "VP8": "libvpx"}


def test_software_on_request_tries_nothing_out() -> None:
    card = Card("h264_nvenc")
    assert choice(card, hardware=False).decide() == {"H264": "libx264", "VP8": "libvpx"}
    assert not card.opened


def test_an_encoder_that_answers_late_is_not_chosen() -> None:
    card = Card("h264_nvenc", "h264_qsv")
    card.late.add("h264_nvenc")
    assert choice(card).decide()["H264"] == "h264_qsv"


def test_it_is_decided_once() -> None:
    card = Card("h264_nvenc")
    encoders = choice(card)
    encoders.decide()
    tried = card.opened["h264_nvenc"]
    encoders.decide()
    for _ in range(3):
        assert encoders.open("H264", 160, 90, 100_000).hardware is False  # what the fake is made of
    assert card.opened == {"h264_nvenc": tried + 3}


def test_a_card_without_room_for_one_more_leaves_the_rung_to_software() -> None:
    card = Card("h264_nvenc")
    encoders = choice(card)
    encoders.decide()
    card.names.clear()
    encoders.open("H264", 160, 90, 100_000)
    assert card.opened["libx264"] == 1


def test_a_card_that_fails_while_it_encodes_is_replaced_within_a_picture() -> None:
    card = Card("h264_nvenc")
    encoders = choice(card)
    encoders.decide()
    engine = LadderEngine("H264", 2.0, encoders)
    engine.set_rungs([SMALL])
    camera = Camera()
    packets: list[bytes] = []
    for index in range(10):
        card.failing = index >= 4
        for frame in frames_of("H264", camera.frame(keyframe=True)):
            outcome = engine.process(frame, encode=True)
            assert outcome.failed == []
            packets += [packet for produced in outcome.produced for packet in produced.packets]
    assert card.opened["libx264"] == 1
    assert len(decode("H264", frames_of("H264", packets))) == 9


def test_this_machines_own_encoders_are_tried_without_harm() -> None:
    chosen = EncoderChoice("ultrafast", hardware=True).decide()
    assert chosen["VP8"] == "libvpx"
    assert chosen["H264"] in {kind.name for kind in KINDS}


def test_an_h264_stream_starts_with_its_parameter_sets() -> None:
    assert starts_a_stream("H264", b"\0\0\0\1\x67a\0\0\1\x68b\0\0\1\x65c")
    assert not starts_a_stream("H264", b"\0\0\0\1\x65c")
    assert not starts_a_stream("VP8", b"")
