"""Our answers to viewers who make the offer: which m-line gets which track."""

from __future__ import annotations

import msgspec
import pytest
from sdp_samples import LOCAL, audio, lines, sections, vector, video

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import PlayNegotiation, SentStream, answer_play

OFFER = vector("chromium-156-play")
HEAD, PICTURE, SOUND = OFFER.partition("m=")[0], *sections(OFFER)
"""It asks for a video first, and for audio then. The first section keeps no line end."""


def streams(*tracks: TrackRecord) -> list[SentStream]:
    return [SentStream("s1", tracks or (video("VP8"), audio()))]


def asks(*parts: str) -> str:
    """An offer with these m-lines, each of which gets its place as its mid."""
    text = [HEAD.rstrip("\r\n")]
    for place, part in enumerate(parts):
        text += [f"a=mid:{place}" if line.startswith("a=mid:") else line for line in part.strip().split("\r\n")]
    mids = " ".join(str(place) for place in range(len(parts)))
    whole = "\r\n".join(text) + "\r\n"
    return whole.replace(next(iter(lines(whole, "a=group:BUNDLE"))), f"a=group:BUNDLE {mids}")


def carries(negotiation: PlayNegotiation) -> list[tuple[int, str]]:
    return [(track.subscription, track.group) for track in negotiation.agreed]


def text(negotiation: PlayNegotiation) -> str:
    assert negotiation.sdp is not None
    return negotiation.sdp


def test_each_m_line_gets_the_next_track_of_its_kind_and_of_the_first_stream_first() -> None:
    two = [SentStream("one", [video("VP8"), audio()]), SentStream("two", [video("VP8"), audio()])]
    made = answer_play(asks(PICTURE, SOUND, SOUND, PICTURE), two, LOCAL)
    assert carries(made) == [(0, "v0"), (0, "a0"), (1, "a0"), (1, "v0")]
    assert [track.track for track in made.agreed] == [0, 1, 2, 3]
    assert [line.split()[0] for line in lines(text(made), "a=msid:")] == [
        "a=msid:one",
        "a=msid:one",
        "a=msid:two",
        "a=msid:two",
    ]


def test_no_track_is_sent_twice() -> None:
    made = answer_play(asks(PICTURE, PICTURE, SOUND), streams(), LOCAL)
    assert carries(made) == [(0, "v0"), (0, "a0")]
    assert [line.split()[1] for line in lines(text(made), "m=")] == ["50000", "0", "50000"]
    assert lines(text(made), "a=group") == ["a=group:BUNDLE 0 2"]


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_an_m_line_that_does_not_want_to_receive_is_refused(direction: str) -> None:
    made = answer_play(asks(PICTURE.replace("a=recvonly", f"a={direction}"), SOUND), streams(), LOCAL)
    assert carries(made) == [(0, "a0")]
    assert [line.split()[1] for line in lines(text(made), "m=")] == ["0", "50000"]


def test_an_m_line_that_also_sends_is_answered_as_one_that_we_only_send_in() -> None:
    made = answer_play(asks(PICTURE.replace("a=recvonly", "a=sendrecv"), SOUND), streams(), LOCAL)
    assert carries(made) == [(0, "v0"), (0, "a0")]
    assert "a=sendrecv" not in text(made)


def test_a_track_of_another_group_is_taken_when_the_first_cannot_be_played() -> None:
    second = msgspec.structs.replace(video("VP8", track="v1"), mid="v1", track=TrackId("v1"))
    made = answer_play(vector("firefox-esr-play"), streams(video("H264"), second, audio()), LOCAL)
    assert carries(made) == [(0, "v1"), (0, "a0")]


def test_reduced_size_rtcp_is_answered_where_it_was_offered() -> None:
    without = PICTURE.replace("a=rtcp-rsize\r\n", "")
    assert len(lines(text(answer_play(asks(PICTURE, SOUND), streams(), LOCAL)), "a=rtcp-rsize")) == len(
        lines(asks(PICTURE, SOUND), "a=rtcp-rsize")
    )
    assert not lines(sections(text(answer_play(asks(without, SOUND), streams(), LOCAL)))[0], "a=rtcp-rsize")


def test_a_refusal_names_the_codecs_of_all_streams_once() -> None:
    only = [SentStream("one", [video("H264")]), SentStream("two", [video("H264"), video("AV1", "x=1", track="v")])]
    offer = vector("firefox-esr-play").replace("AV1/", "XV1/")
    with pytest.raises(RillcastError, match=r"possible here: H264, AV1$") as caught:
        answer_play(offer, only, LOCAL)
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_who_waits_for_our_dtls_gets_it() -> None:
    made = answer_play(OFFER.replace("a=setup:actpass", "a=setup:passive"), streams(), LOCAL)
    assert made.dtls.role == "client"
    assert set(lines(text(made), "a=setup")) == {"a=setup:active"}


def test_without_a_bundle_offered_none_is_answered() -> None:
    alone = "".join(line + "\r\n" for line in (HEAD + SOUND).splitlines() if not line.startswith("a=group:BUNDLE"))
    assert not lines(text(answer_play(alone, streams(), LOCAL)), "a=group")
