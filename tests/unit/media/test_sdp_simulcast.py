"""Simulcast layers by RID (RFC 8853), and SSRCs with their RTX partners (RFC 5576)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp.document import MediaSection, parse_document
from rillcast.media.sdp.simulcast import MAX_LAYERS, MAX_SSRCS, offered_layers, offered_ssrcs, simulcast_lines


def section(*attributes: str) -> MediaSection:
    lines = ["v=0", "m=video 9 UDP/TLS/RTP/SAVPF 96 97", *(f"a={attribute}" for attribute in attributes)]
    return parse_document("\r\n".join(lines)).sections[0]


def test_layers_have_the_order_of_the_offer() -> None:
    offered = section("rid:q send", "rid:h send", "rid:f send", "simulcast:send f;h;q")
    assert offered_layers(offered, 96) == ("f", "h", "q")


@pytest.mark.parametrize(
    ("attributes", "layers"),
    [
        (("rid:a send", "rid:b send"), ()),
        (("rid:a send", "simulcast:send a"), ()),
        (("rid:a send", "rid:b send", "simulcast:recv a;b"), ()),
        (("rid:a send", "rid:b send", "simulcast:recv x;y send a;b"), ("a", "b")),
        (("rid:a send", "rid:b send", "simulcast:send ~a;b"), ("a", "b")),
        (("rid:a send", "rid:b send", "rid:c send", "simulcast:send a,c;b"), ("a", "b")),
        (("rid:a send", "rid:b recv", "rid:c send", "simulcast:send a;b;c"), ("a", "c")),
        (("rid:a send", "rid:c send", "simulcast:send a;b;a;c"), ("a", "c")),
        (("rid:a send pt=96", "rid:b send max-width=1;pt=97,96", "simulcast:send a;b"), ("a", "b")),
        (("rid:a send pt=96", "rid:b send pt=97", "rid:c send", "simulcast:send a;b;c"), ("a", "c")),
    ],
)
def test_which_layers_are_taken(attributes: tuple[str, ...], layers: tuple[str, ...]) -> None:
    assert offered_layers(section(*attributes), 96) == layers


def test_the_number_of_layers_is_bounded() -> None:
    rids = [f"r{n}" for n in range(20)]
    offered = section(*(f"rid:{rid} send" for rid in rids), f"simulcast:send {';'.join(rids)}")
    assert offered_layers(offered, 96) == tuple(rids[:MAX_LAYERS])


@pytest.mark.parametrize("rid", ["x" * 17, "a.b", "\u00e9"])
def test_a_rid_that_fits_no_header_extension_is_named(rid: str) -> None:
    with pytest.raises(RillcastError, match="has the rid"):
        offered_layers(section(f"rid:{rid} send", "simulcast:send a;b"), 96)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["send", "recv"])), max_size=8),
    st.text(alphabet="abcdef,;~ sendrcv", max_size=30),
)
def test_only_distinct_layers_that_the_peer_sends_are_taken(rids: list[tuple[str, str]], simulcast: str) -> None:
    offered = section(*(f"rid:{rid} {way}" for rid, way in rids), f"simulcast:{simulcast}")
    layers = offered_layers(offered, 96)
    assert len(layers) != 1 and len(layers) <= MAX_LAYERS
    assert len(set(layers)) == len(layers)
    assert set(layers) <= {rid for rid, way in rids if way == "send"}


def test_the_answer_receives_what_was_taken() -> None:
    assert simulcast_lines(()) == []
    assert simulcast_lines(("f", "h")) == ["a=rid:f recv", "a=rid:h recv", "a=simulcast:recv f;h"]


def test_ssrcs_are_told_apart_from_their_retransmissions() -> None:
    offered = section("ssrc-group:FID 1 2", "ssrc:1 cname:a", "ssrc:2 cname:a", "ssrc:1 msid:s t")
    assert offered_ssrcs(offered) == ((1,), (2,))


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ((), ((), ())),
        (("ssrc:7 cname:a",), ((7,), ())),
        (("ssrc-group:FID 1 2", "ssrc:1 a", "ssrc:2 a", "ssrc:3 a"), ((1, 3), ())),
        (("ssrc-group:FEC-FR 1 2", "ssrc:1 a", "ssrc:2 a"), ((1,), ())),
        (("ssrc-group:SIM 1 2", "ssrc:1 a", "ssrc:2 a"), ((1, 2), ())),
        (("ssrc-group:FID 1 2 3", "ssrc:1 a", "ssrc:2 a"), ((1,), ())),
        (("ssrc-group:", "ssrc:1 a"), ((1,), ())),
    ],
)
def test_which_ssrcs_are_media(attributes: tuple[str, ...], found: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert offered_ssrcs(section(*attributes)) == found


@pytest.mark.parametrize("value", ["4294967296", "-1", "x", "", "99999999999", "٣"])
def test_what_is_no_ssrc_is_named(value: str) -> None:
    for attribute in (f"ssrc:{value} cname:a", f"ssrc-group:FID 1 {value}" if value else "ssrc: cname:a"):
        with pytest.raises(RillcastError, match="has the SSRC"):
            offered_ssrcs(section(attribute))


@given(
    st.lists(st.integers(0, 40), max_size=60),
    st.lists(st.tuples(st.sampled_from(["FID", "FEC", "SIM"]), st.lists(st.integers(0, 40), max_size=4)), max_size=8),
)
def test_media_and_retransmission_never_overlap(named: list[int], groups: list[tuple[str, list[int]]]) -> None:
    attributes = [f"ssrc-group:{semantics} {' '.join(map(str, members))}" for semantics, members in groups]
    media, retransmission = offered_ssrcs(section(*attributes, *(f"ssrc:{ssrc} cname:c" for ssrc in named)))
    assert len(media) <= MAX_SSRCS and len(retransmission) in (0, len(media))
    assert set(media) <= set(named) and len(set(media)) == len(media)
    assert not set(media) & set(retransmission)
