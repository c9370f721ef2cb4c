"""What a viewer is sent: SSRCs that differ, one CNAME, and names that unmodified clients understand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdp_samples import audio, video

from rillcast.media.sdp.codecs import Payload
from rillcast.media.sdp.sending import by_mid, msid_track, send_tracks, source_lines, with_payload

VP8 = Payload(payload_type=96, codec="VP8", clock_rate=90_000, rtx_payload_type=97)
OPUS = Payload(payload_type=111, codec="opus", clock_rate=48_000, channels=2)


def test_renditions_are_grouped_by_their_mid_in_order() -> None:
    high, low, sound = video(track="v0.h"), video(track="v0.l"), audio()
    assert by_mid([high, sound, low]) == {"v0": [high, low], "a0": [sound]}


@given(st.lists(st.sampled_from([("video", VP8), ("audio", OPUS)]), max_size=32))
def test_every_track_has_ssrcs_of_its_own_and_all_have_one_cname(lines: list[tuple[str, Payload]]) -> None:
    tracks = send_tracks(lines)
    ssrcs = [ssrc for track in tracks for ssrc in (track.ssrc, track.rtx_ssrc) if ssrc]
    assert [track.track for track in tracks] == list(range(len(lines)))
    assert len(set(ssrcs)) == len(ssrcs) and all(0 < ssrc < 2**32 for ssrc in ssrcs)
    assert len({track.cname for track in tracks}) <= 1
    assert [bool(track.rtx_ssrc) for track in tracks] == [payload is VP8 for _, payload in lines]


def test_two_viewers_share_nothing() -> None:
    (one,), (other,) = send_tracks([("video", VP8)]), send_tracks([("video", VP8)])
    assert one.cname != other.cname and one.ssrc != other.ssrc


def test_ssrcs_that_are_equal_or_zero_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [(5, 5), (0, 7), (8, 9)]
    monkeypatch.setattr("rillcast.media.sdp.sending.secrets.token_bytes", lambda _: struct.pack("2I", *draws.pop(0)))
    (track,) = send_tracks([("video", VP8)])
    assert {track.ssrc, track.rtx_ssrc} == {8, 9}


def test_a_track_takes_the_formats_that_were_agreed_on() -> None:
    (track,) = send_tracks([("video", VP8)])
    kept = with_payload(track, Payload(payload_type=100, codec="VP8", clock_rate=90_000, rtx_payload_type=101))
    assert (kept.payload_type, kept.rtx_payload_type, kept.rtx_ssrc) == (100, 101, track.rtx_ssrc)
    bare = with_payload(track, Payload(payload_type=100, codec="VP8", clock_rate=90_000))
    assert (bare.rtx_payload_type, bare.rtx_ssrc, bare.ssrc) == (0, 0, track.ssrc)


def test_track_ids_begin_with_what_clients_cut_off() -> None:
    assert (msid_track("video", "s1"), msid_track("audio", "s1")) == ("ARDAMSvs1", "ARDAMSas1")
    assert len(msid_track("video", "")) == 7


def test_sources_are_described_with_and_without_rtx() -> None:
    picture, sound = send_tracks([("video", VP8), ("audio", OPUS)])
    described = source_lines(picture, "s1", "ARDAMSvs1")
    assert described[:2] == ["a=msid:s1 ARDAMSvs1", f"a=ssrc-group:FID {picture.ssrc} {picture.rtx_ssrc}"]
    assert sum(line.startswith("a=ssrc:") for line in described) == 4
    assert not any("FID" in line for line in source_lines(sound, "s1", "ARDAMSas1"))


@pytest.mark.parametrize("name", ["", "a b", "a\r\nb=c", "\u00e9", "a:b"])
def test_a_name_that_would_break_the_description_is_refused(name: str) -> None:
    (track,) = send_tracks([("audio", OPUS)])
    with pytest.raises(ValueError, match="not possible in a=msid"):
        source_lines(track, name, "id")
    with pytest.raises(ValueError, match="not possible in a=msid"):
        source_lines(track, "s1", name)
