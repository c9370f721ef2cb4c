"""Our offers to viewers: what their numbers are made of, which formats stand in them, and which answers fit."""

from __future__ import annotations

import msgspec
import pytest
from sdp_samples import H264_FMTP, LOCAL, audio, lines, sections, vector, video

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import SentStream, accept_play_answer, offer_play
from rillcast.media.sdp.document import MAX_MEDIA_SECTIONS
from rillcast.media.sdp.play_offer import PlayOffer, TooManyTracks

HIGH = "packetization-mode=1;profile-level-id=64002a"


def offer(*tracks: TrackRecord) -> PlayOffer:
    return offer_play([SentStream("s1", tracks)], LOCAL)


def named(track: TrackRecord, mid: str) -> TrackRecord:
    return msgspec.structs.replace(track, mid=mid, track=TrackId(mid))


def numbers(sdp: str) -> list[list[str]]:
    """The payload types of each m-line."""
    return [line.split()[3:] for line in lines(sdp, "m=")]


def test_formats_are_numbered_from_96_and_videos_get_a_second_one_for_rtx() -> None:
    made = offer(video("VP8"), audio())
    assert numbers(made.sdp) == [["96", "97"], ["98"]]
    assert "a=fmtp:97 apt=96" in made.sdp


def test_the_same_format_has_one_number_in_all_m_lines() -> None:
    made = offer_play([SentStream("one", [video("VP8"), audio()]), SentStream("two", [audio(), video("VP8")])], LOCAL)
    assert numbers(made.sdp) == [["96", "97"], ["98"], ["98"], ["96", "97"]]


def test_after_127_the_numbers_go_on_at_35() -> None:
    made = offer(*(named(video("VP8", f"x={i}"), f"v{i}") for i in range(17)))
    assert numbers(made.sdp)[15:] == [["126", "127"], ["35", "36"]]


def test_when_no_number_is_left_all_is_refused_and_a_video_needs_two() -> None:
    fits = [named(video("VP8", f"x={i}"), f"v{i}") for i in range(30)]
    first, second = (named(audio(f"x={i}"), f"a{i}") for i in range(2))
    assert numbers(offer(*fits, first).sdp)[-1] == ["63"]
    for too_many in ([first, second], [named(video("VP8", "x=30"), "v30")]):
        with pytest.raises(TooManyTracks, match="payload types"):
            offer(*fits, *too_many)


def test_a_description_has_so_many_m_lines_and_no_more() -> None:
    tracks = [named(audio(), f"a{i}") for i in range(MAX_MEDIA_SECTIONS)]
    assert len(sections(offer(*tracks).sdp)) == MAX_MEDIA_SECTIONS
    with pytest.raises(TooManyTracks, match=f"{MAX_MEDIA_SECTIONS} m-lines"):
        offer(*tracks, named(audio(), "one more"))


def test_two_streams_are_told_apart_by_msid_and_by_place() -> None:
    made = offer_play([SentStream("one", [video("VP8")]), SentStream("two", [video("VP8"), audio()])], LOCAL)
    assert [(line.mid, line.subscription, line.group) for line in made.lines] == [
        ("0", 0, "v0"),
        ("1", 1, "v0"),
        ("2", 1, "a0"),
    ]
    assert made.id_mapping == {"0": "ARDAMSvone", "1": "ARDAMSvtwo", "2": "ARDAMSatwo"}
    assert [line.removeprefix("a=msid:") for line in lines(made.sdp, "a=msid:")] == [
        "one ARDAMSvone",
        "two ARDAMSvtwo",
        "two ARDAMSatwo",
    ]


def test_beside_a_profile_that_browsers_hide_the_one_stands_that_they_announce() -> None:
    made = offer(video("H264", HIGH))
    assert [payload.fmtp for payload in made.lines[0].payloads] == [HIGH, H264_FMTP]
    announced = "profile-level-id=42e01f;packetization-mode=0"
    assert [payload.fmtp for payload in offer(video("H264", announced)).lines[0].payloads] == [announced]


def test_an_h264_stream_that_says_nothing_counts_as_constrained_baseline() -> None:
    made = offer(video("H264", "packetization-mode=1"))
    assert [payload.fmtp for payload in made.lines[0].payloads] == [H264_FMTP]


@pytest.mark.parametrize(
    ("published", "offered"),
    [
        ("minptime=10;stereo=1", "minptime=10;stereo=1;sprop-stereo=1"),
        ("stereo=1;sprop-stereo=0", "stereo=1;sprop-stereo=0"),
        ("minptime=10;stereo=0", "minptime=10;stereo=0"),
    ],
)
def test_what_the_publisher_sends_in_stereo_is_said_to_be_sent_in_stereo(published: str, offered: str) -> None:
    assert offer(audio(published)).lines[0].payloads[0].fmtp == offered


def test_of_renditions_in_one_codec_the_first_gives_the_format() -> None:
    made = offer(video("VP8", "x=1", track="v0.h"), video("VP8", "x=2", track="v0.l"))
    assert [payload.fmtp for payload in made.lines[0].payloads] == ["x=1"]


def test_feedback_of_videos_is_not_offered_for_sounds() -> None:
    picture, sound = offer(video("VP8"), audio()).lines
    assert "nack pli" in picture.payloads[0].feedback
    assert "nack pli" not in sound.payloads[0].feedback


def test_only_extensions_of_the_kinds_that_are_offered_are_offered() -> None:
    assert offer(audio()).extensions.video_orientation == 0
    assert offer(audio(), video("VP8")).extensions.video_orientation != 0


# ---- answers


def test_a_number_of_the_clients_own_is_taken() -> None:
    renumbered = (
        vector("chromium-156-answer-vp8")
        .replace("SAVPF 96 97", "SAVPF 120 121")
        .replace("a=rtpmap:96 ", "a=rtpmap:120 ")
        .replace("a=rtpmap:97 ", "a=rtpmap:121 ")
        .replace("a=fmtp:97 apt=96", "a=fmtp:121 apt=120")
    )
    agreed = accept_play_answer(offer(video("VP8"), audio()), renumbered)
    assert (agreed.send[0].payload_type, agreed.send[0].rtx_payload_type) == (120, 121)


def test_of_two_formats_in_one_codec_the_number_tells_which_is_meant() -> None:
    made = offer(video("H264", HIGH), audio())
    high, baseline = made.lines[0].payloads
    assert (high.payload_type, baseline.payload_type) == (96, 98)
    agreed = accept_play_answer(made, vector("chromium-156-answer-high"))
    assert (agreed.send[0].payload_type, agreed.send[0].rtx_payload_type) == (98, 99)


@pytest.mark.parametrize("direction", ["inactive", "sendonly"])
def test_an_m_line_that_does_not_receive_drops_out(direction: str) -> None:
    answer = vector("chromium-156-answer-vp8").replace("a=recvonly", f"a={direction}", 1)
    agreed = accept_play_answer(offer(video("VP8"), audio()), answer)
    assert [track.group for track in agreed.agreed] == ["a0"]


def test_an_m_line_that_also_sends_counts_as_receiving() -> None:
    answer = vector("chromium-156-answer-vp8").replace("a=recvonly", "a=sendrecv")
    assert [track.group for track in accept_play_answer(offer(video("VP8"), audio()), answer).agreed] == ["v0", "a0"]


def test_a_codec_that_was_not_offered_leaves_the_m_line_out() -> None:
    answer = vector("chromium-156-answer-vp8").replace("a=rtpmap:96 VP8", "a=rtpmap:96 VP9")
    assert [track.codec for track in accept_play_answer(offer(video("VP8"), audio()), answer).agreed] == ["opus"]


def test_what_is_agreed_names_its_stream_and_the_number_of_its_track() -> None:
    made = offer_play([SentStream("one", [audio()]), SentStream("two", [audio()])], LOCAL)
    sound = "m=audio" + vector("chromium-156-answer-vp8").split("m=audio")[1]
    head = vector("chromium-156-answer-vp8").split("m=video")[0]
    first = sound.replace("a=mid:1", "a=mid:0").replace("SAVPF 98", "SAVPF 96").replace(":98 ", ":96 ")
    second = sound.replace("SAVPF 98", "SAVPF 96").replace(":98 ", ":96 ")
    agreed = accept_play_answer(made, head + first.replace("m=audio 9", "m=audio 0") + second)
    assert [(track.subscription, track.group, track.track) for track in agreed.agreed] == [(1, "a0", 1)]


def test_an_answer_with_an_m_line_more_is_refused() -> None:
    answer = vector("chromium-156-answer-vp8")
    more = answer + "m=audio" + answer.split("m=audio")[1].replace("a=mid:1", "a=mid:2")
    with pytest.raises(RillcastError, match="3 m-lines, the offer 2") as caught:
        accept_play_answer(offer(video("VP8"), audio()), more)
    assert caught.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
