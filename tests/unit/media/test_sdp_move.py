"""Offers to publishers that are to go on here, and Chromium's own answers to them."""

from __future__ import annotations

import pytest
from sdp_samples import LOCAL, PUBLISHERS, lines, sources, vector

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.sdp import PublishNegotiation, accept_move, answer_publish, offer_move

CHROMIUM = ["", "-simulcast"]


def moved(kind: str = "") -> tuple[PublishNegotiation, PublishNegotiation, str]:
    """What was agreed on first, what we offer, and what Chromium answers."""
    offer = vector(f"chromium-156-move-offer{kind}")
    first = answer_publish(offer, LOCAL, allocate_source=sources())
    second = offer_move(offer, LOCAL, allocate_source=sources())
    return first, second, vector(f"chromium-156-move-answer{kind}")


@pytest.mark.parametrize("name", PUBLISHERS)
def test_the_offer_is_the_answer_but_for_the_role(name: str) -> None:
    offer = vector(name)
    answered = answer_publish(offer, LOCAL, allocate_source=sources()).answer_sdp.splitlines()
    offered = offer_move(offer, LOCAL, allocate_source=sources()).answer_sdp.splitlines()

    different = {(was, now) for was, now in zip(answered, offered, strict=True) if was != now and was[0] != "o"}
    assert {now for _, now in different} == {"a=setup:actpass"}
    assert {was for was, _ in different} <= {"a=setup:passive", "a=setup:active"}


@pytest.mark.parametrize("kind", CHROMIUM)
def test_chromium_goes_on_with_the_same_media_over_another_transport(kind: str) -> None:
    first, offered, answer = moved(kind)

    now = accept_move(offered, answer)

    assert (now.recv, now.extensions, now.tracks, now.sources) == (
        first.recv,
        first.extensions,
        first.tracks,
        first.sources,
    )
    assert now.dtls == first.dtls, "its certificate is the same, and we are the server again"
    assert now.ice_remote != first.ice_remote
    assert lines(answer, "a=ice-ufrag")[0].endswith(now.ice_remote.ufrag)


def test_the_data_channel_stays_refused() -> None:
    _, offered, answer = moved()

    assert lines(offered.answer_sdp, "m=application") == lines(answer, "m=application")
    assert lines(answer, "m=application")[0].split()[1] == "0"


def test_a_sender_that_has_other_ssrcs_now_is_known_by_those() -> None:
    first, offered, answer = moved()
    (ssrc, *_), (rtx, *_) = first.recv[0].ssrcs, first.recv[0].rtx_ssrcs

    now = accept_move(offered, answer.replace(str(ssrc), "11").replace(str(rtx), "12"))

    assert (now.recv[0].ssrcs, now.recv[0].rtx_ssrcs) == ((11,), (12,))
    without = "\r\n".join(line for line in answer.splitlines() if not line.startswith("a=ssrc"))
    assert accept_move(offered, without).recv[0].ssrcs == (ssrc,)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("m=video 9", "m=video 0", "no video with the mid '0'"),
        ("a=mid:1", "a=mid:7", "no audio with the mid '1'"),
        ("a=sendonly", "a=inactive", "is inactive, and the publisher was asked to send"),
        (" VP8/90000", " VP9/90000", r"lacks the payload type 96 \(VP8\)"),
        ("a=setup:active", "a=setup:actpass", "must choose"),
        ("a=fingerprint:", "a=x:", "lacks a=fingerprint"),
        ("a=group:BUNDLE 0 1", "a=group:LS 0 1", "BUNDLE is missing"),
        ("a=rtcp-mux", "a=x", "lacks a=rtcp-mux"),
    ],
)
def test_what_does_not_go_on_as_before_is_refused_by_name(old: str, new: str, words: str) -> None:
    _, offered, answer = moved()
    assert old in answer

    with pytest.raises(RillcastError, match=words) as refusal:
        accept_move(offered, answer.replace(old, new))

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION


def test_a_layer_less_is_refused() -> None:
    _, offered, answer = moved("-simulcast")

    with pytest.raises(RillcastError, match="lacks layers that were sent before"):
        accept_move(offered, answer.replace("a=simulcast:send l;m;h", "a=simulcast:send l;m"))
