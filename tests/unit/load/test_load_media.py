"""Media that is encoded once: loops that can follow themselves, keyframes that fit, sound of one size."""

from __future__ import annotations

import itertools

import pytest

from rillcast.load.media import (
    AUDIO_CLOCK,
    AUDIO_FRAME_S,
    FRAMES_PER_S,
    LOOP_S,
    VIDEO_CLOCK,
    Frame,
    Layer,
    Loop,
    encode_layers,
)

LAYERS = (Layer(180, 150_000, 0.3), Layer(360, 500_000))
IDR, STAP_A, FU_A = 5, 24, 28


@pytest.fixture(scope="module")
def loops() -> tuple[list[Loop], Loop]:
    return encode_layers(LAYERS, 64_000)


def holds_keyframe(frame: Frame) -> bool:
    """Whether one of its payloads has a slice of an IDR picture (RFC 6184 §5.2)."""
    for payload in frame[2]:
        kind = payload[0] & 0x1F
        at = 1
        while kind == STAP_A and at + 2 < len(payload):
            if payload[at + 2] & 0x1F == IDR:
                return True
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
        if kind == IDR or (kind == FU_A and payload[1] & 0x1F == IDR):
            return True
    return False


def size(frame: Frame) -> int:
    return sum(map(len, frame[2]))


def test_a_loop_follows_itself_without_a_gap(loops: tuple[list[Loop], Loop]) -> None:
    videos, audio = loops
    for (frames, length_us, length_ts), clock, apart_s in (
        *((video, VIDEO_CLOCK, 1 / FRAMES_PER_S) for video in videos),
        (audio, AUDIO_CLOCK, AUDIO_FRAME_S),
    ):
        due = [frame[0] for frame in frames] + [length_us]
        stamps = [frame[1] for frame in frames] + [length_ts]
        assert (due[0], stamps[0], length_us, length_ts) == (0, 0, LOOP_S * 1_000_000, LOOP_S * clock)
        assert all(abs(b - a - apart_s * 1e6) <= 1 for a, b in itertools.pairwise(due))
        assert {b - a for a, b in itertools.pairwise(stamps)} == {round(apart_s * clock)}


def test_only_the_first_picture_is_a_keyframe(loops: tuple[list[Loop], Loop]) -> None:
    for frames, _, _ in loops[0]:
        assert [holds_keyframe(frame) for frame in frames] == [True] + [False] * (len(frames) - 1)


def test_a_keyframe_takes_no_more_of_the_rate_than_its_layer_allows(loops: tuple[list[Loop], Loop]) -> None:
    for (frames, _, _), layer in zip(loops[0], LAYERS, strict=True):
        assert size(frames[0]) * 8 <= 1.2 * layer.bitrate_bps * layer.burst_s
        assert size(frames[0]) > 2 * max(map(size, frames[1:])), "or it is no burst at all"


def test_payloads_fit_into_a_datagram(loops: tuple[list[Loop], Loop]) -> None:
    videos, audio = loops
    assert max(len(payload) for frames, _, _ in (*videos, audio) for frame in frames for payload in frame[2]) <= 1_300


def test_sound_has_one_payload_of_one_size_per_frame(loops: tuple[list[Loop], Loop]) -> None:
    frames, _, _ = loops[1]
    assert {len(frame[2]) for frame in frames} == {1}
    assert {size(frame) for frame in frames} == {round(64_000 / 8 * AUDIO_FRAME_S)}
