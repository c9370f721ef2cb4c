"""Header extensions in descriptions: one id space for a whole session, whatever the m-lines say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp.document import MediaSection, parse_document
from rillcast.media.sdp.extensions import (
    FROM_PUBLISHER,
    MAX_ID,
    OFFERED_IDS,
    TO_VIEWER,
    URIS,
    ExtensionMap,
    for_plane,
    offered_lines,
)


def section(*extmaps: str, kind: str = "video") -> MediaSection:
    lines = ["v=0", f"m={kind} 9 UDP/TLS/RTP/SAVPF 96", *(f"a=extmap:{value}" for value in extmaps)]
    return parse_document("\r\n".join(lines)).sections[0]


def test_what_is_wanted_is_taken_with_the_peers_id() -> None:
    ids = ExtensionMap()
    offered = section(f"4 {URIS['mid']}", f"3 {URIS['abs_send_time']} with parameters", "5 urn:unknown")
    assert ids.accept(offered, ("mid", "abs_send_time", "rid"), "sendonly") == {
        "mid": f"a=extmap:4 {URIS['mid']}",
        "abs_send_time": f"a=extmap:3 {URIS['abs_send_time']}",
    }
    assert (ids.extensions().mid, ids.extensions().abs_send_time, ids.extensions().rid) == (4, 3, 0)


def test_what_is_not_wanted_is_left() -> None:
    assert ExtensionMap().accept(section(f"4 {URIS['mid']}"), ("rid",), "sendonly") == {}


@pytest.mark.parametrize("identifier", [0, 15, 255, 4_096])
def test_ids_beyond_a_one_byte_header_are_left(identifier: int) -> None:
    assert ExtensionMap().accept(section(f"{identifier} {URIS['mid']}"), ("mid",), "sendonly") == {}


@pytest.mark.parametrize(
    ("direction", "media", "line"),
    [
        ("", "sendonly", ""),
        ("/sendrecv", "sendonly", ""),
        ("/sendonly", "sendonly", "/recvonly"),
        ("/recvonly", "recvonly", "/sendonly"),
        ("/recvonly", "sendonly", None),
        ("/inactive", "sendonly", None),
    ],
)
def test_an_extension_goes_the_way_of_the_media(direction: str, media: str, line: str | None) -> None:
    taken = ExtensionMap().accept(section(f"4{direction} {URIS['mid']}"), ("mid",), media)
    assert taken == ({} if line is None else {"mid": f"a=extmap:4{line} {URIS['mid']}"})


def test_all_m_lines_share_one_id_space() -> None:
    ids = ExtensionMap()
    ids.accept(section(f"4 {URIS['mid']}"), ("mid",), "sendonly")
    again = section(f"4 {URIS['mid']}", f"4 {URIS['audio_level']}", kind="audio")
    assert set(ids.accept(again, ("mid", "audio_level"), "sendonly")) == {"mid"}, "an id means one thing"
    moved = section(f"5 {URIS['mid']}", kind="audio")
    assert ids.accept(moved, ("mid",), "sendonly") == {}, "and a thing has one id"
    assert ids.extensions().mid == 4


@pytest.mark.parametrize("value", ["", "x urn:a", "4", "4/both urn:a", "123456 urn:a", "4urn:a"])
def test_a_malformed_line_is_named(value: str) -> None:
    with pytest.raises(RillcastError, match="malformed a=extmap"):
        ExtensionMap().accept(section(value), ("mid",), "sendonly")


LINES = st.tuples(st.integers(0, 20), st.sampled_from(["", "/sendonly", "/recvonly"]), st.sampled_from(sorted(URIS)))


@given(st.lists(st.lists(LINES, max_size=12), max_size=4))
def test_no_two_extensions_ever_get_one_id(m_lines: list[list[tuple[int, str, str]]]) -> None:
    ids = ExtensionMap()
    answered: dict[str, set[str]] = {}
    for m_line in m_lines:
        offered = section(*(f"{number}{direction} {URIS[name]}" for number, direction, name in m_line))
        for name, line in ids.accept(offered, tuple(URIS), "sendonly").items():
            answered.setdefault(name, set()).add(line.split(":", 1)[1].split(" ")[0].split("/")[0])
    numbers = [number for found in answered.values() for number in found]
    assert all(len(found) == 1 for found in answered.values())
    assert len(set(numbers)) == len(numbers)
    assert all(1 <= int(number) <= MAX_ID for number in numbers)


def test_our_offers_name_known_extensions_with_ids_of_their_own() -> None:
    assert len(set(OFFERED_IDS.values())) == len(OFFERED_IDS)
    for kind, names in TO_VIEWER.items():
        offered = section(*(line.removeprefix("a=extmap:") for line in offered_lines(kind)), kind=kind)
        assert set(ExtensionMap().accept(offered, names, "recvonly")) == set(names)


def test_the_plane_gets_only_what_it_uses() -> None:
    ids = for_plane({"mid": 1, "playout_delay": 3})
    assert (ids.mid, ids.abs_send_time) == (1, 0)
    assert not hasattr(ids, "playout_delay")
    assert "transport" not in " ".join(URIS[name] for names in FROM_PUBLISHER.values() for name in names)
