"""The parts that every description of ours is made of, and which m-lines may join our one transport."""

from __future__ import annotations

import pytest
from sdp_samples import LOCAL

from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp.codecs import Payload
from rillcast.media.sdp.document import Document, parse_document
from rillcast.media.sdp.writing import (
    media_lines,
    offers_rtp,
    rejected_lines,
    render,
    require_one_transport,
    session_lines,
)

VP8 = Payload(payload_type=96, codec="VP8", clock_rate=90_000, rtx_payload_type=97)


def document(*media: str, bundle: str = "") -> Document:
    group = [f"a=group:BUNDLE {bundle}"] if bundle else []
    return parse_document("\r\n".join(["v=0", *group, *media]))


def test_a_description_has_the_lines_that_must_be_there_in_order() -> None:
    lines = session_lines(["0", "1"])
    assert [line[:2] for line in lines[:4]] == ["v=", "o=", "s=", "t="]
    assert "a=group:BUNDLE 0 1" in lines and "a=ice-lite" in lines
    assert not any(line.startswith("a=group") for line in session_lines([]))
    assert session_lines([])[1] != session_lines([])[1], "every description has a session id of its own"


def test_an_m_line_names_its_formats_with_their_rtx() -> None:
    lines = media_lines("video", "UDP/TLS/RTP/SAVPF", LOCAL, [VP8], mid="v", direction="sendonly", setup="passive")
    assert lines[:3] == ["m=video 50000 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 192.0.2.2", "a=mid:v"]
    assert {"a=sendonly", "a=setup:passive", "a=rtcp-mux", "a=rtpmap:97 rtx/90000"} <= set(lines)
    (read,) = parse_document(render([*session_lines(["v"]), *lines])).sections
    assert (read.mid, read.direction, read.formats, read.refused) == ("v", "sendonly", ("96", "97"), False)


def test_an_m_line_without_a_mid_gets_none() -> None:
    lines = media_lines("audio", "RTP/SAVPF", LOCAL, [VP8], mid="", direction="recvonly", setup="active")
    assert not any(line.startswith("a=mid") for line in lines)


def test_a_refused_m_line_keeps_its_formats_and_its_mid() -> None:
    offered = document("m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=mid:7").sections[0]
    lines = rejected_lines(offered)
    assert lines == ["m=video 0 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:7", "a=inactive"]
    assert parse_document(render(["v=0", *lines])).sections[0].refused


@pytest.mark.parametrize(
    ("media", "bundle", "may"),
    [
        ("m=video 9 UDP/TLS/RTP/SAVPF 96", "", True),
        ("m=audio 9 RTP/SAVPF 96", "", True),
        ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "", False),
        ("m=video 9 RTP/AVP 96", "", False),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96", "", False),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=mid:0", "0", True),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0", "0", True),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0", "0", False),
    ],
)
def test_which_m_lines_may_join_our_transport(media: str, bundle: str, may: bool) -> None:
    read = document(*media.split("\r\n"), bundle=bundle)
    assert offers_rtp(read.sections[0], read) is may


def test_one_port_must_do_for_everything() -> None:
    muxed = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtcp-mux"]
    one = document(*muxed)
    require_one_transport(one, one.sections)
    two = document(*muxed, *muxed)
    with pytest.raises(RillcastError, match="BUNDLE is missing"):
        require_one_transport(two, two.sections)
    apart = document("m=video 9 UDP/TLS/RTP/SAVPF 96")
    with pytest.raises(RillcastError, match=r"m-line 0 \(video\) lacks a=rtcp-mux"):
        require_one_transport(apart, apart.sections)


def test_every_line_is_ended_as_the_rfc_wants_it() -> None:
    assert render(["v=0", "s=-"]) == "v=0\r\ns=-\r\n"
