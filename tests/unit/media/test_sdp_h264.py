"""H.264 profiles: their names by the table of RFC 6184, and which viewer's format fits a stream best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.media.sdp.h264 import CONSTRAINED_BASELINE, h264_profile, h264_rank

HEX = st.text(alphabet="0123456789abcdefABCDEF", min_size=6, max_size=6)


@pytest.mark.parametrize(
    ("profile_level_id", "name"),
    [
        ("42e01f", "constrained-baseline"),
        ("42C01F", "constrained-baseline"),
        ("4d801f", "constrained-baseline"),
        ("58c01f", "constrained-baseline"),
        ("42001f", "baseline"),
        ("58801f", "baseline"),
        ("4d001f", "main"),
        ("58001f", "extended"),
        ("640c1f", "constrained-high"),
        ("64001f", "high"),
        ("6e001f", "high-10"),
        ("7a001f", "high-422"),
        ("f4001f", "high-444"),
        ("99001f", None),
        ("42e01", None),
        ("42e01f0", None),
        ("٤2e01f", None),
        ("", None),
    ],
)
def test_profiles_have_the_names_of_the_table(profile_level_id: str, name: str | None) -> None:
    assert h264_profile(profile_level_id) == name


def rank(stream: str, viewer: str, mode: str = "1", viewer_mode: str = "1") -> tuple[int, ...] | None:
    return h264_rank(
        {"profile-level-id": stream, "packetization-mode": mode},
        {"profile-level-id": viewer, "packetization-mode": viewer_mode},
    )


def test_a_fragmented_stream_needs_a_viewer_that_takes_fragments() -> None:
    assert rank("42e01f", "42e01f", mode="1", viewer_mode="0") is None
    assert rank("42e01f", "42e01f", mode="0", viewer_mode="1") == (0, 0, 1)
    assert h264_rank({"profile-level-id": "42e01f"}, {}) is not None, "an announced stream without a mode is whole"
    assert h264_rank({}, {"packetization-mode": "0"}) is None, "one of which nothing is known may be fragmented"


def test_a_viewer_that_names_no_mode_gets_fragments_after_those_that_name_it() -> None:
    stream = {"profile-level-id": "42e01f", "packetization-mode": "1"}
    unsaid = h264_rank(stream, {"profile-level-id": "42e01f"})
    nothing = h264_rank(stream, {})
    worst_that_says = max(
        found
        for profile in ("f4001f", "58001f", "not hex", "42000a")
        if (found := h264_rank(stream, {"profile-level-id": profile, "packetization-mode": "1"})) is not None
    )
    assert unsaid is not None and nothing is not None
    assert worst_that_says < unsaid
    assert worst_that_says < nothing
    assert h264_rank({"profile-level-id": "42e01f"}, {"profile-level-id": "42e01f"}) == (0, 0, 0), "whole frames"


def test_viewers_are_ranked_from_the_same_profile_to_one_that_may_not_decode_it() -> None:
    same, better, worse = rank("4d001f", "4d001f"), rank("4d001f", "64001f"), rank("4d001f", "42e01f")
    assert same is not None and better is not None and worse is not None
    assert same < better < worse


def test_a_viewer_of_too_low_a_level_comes_after_one_that_plays_it_all() -> None:
    low, high = rank("42e028", "42e01f"), rank("42e028", "42e028")
    assert low is not None and high is not None
    assert high < low


@given(HEX, HEX)
def test_no_viewer_fits_better_than_one_with_the_streams_own_format(stream: str, viewer: str) -> None:
    own, other = rank(stream, stream), rank(stream, viewer)
    assert own is not None and other is not None, "no profile is ever refused"
    assert own <= other


@given(st.text(max_size=8), st.text(max_size=8))
def test_what_is_no_profile_comes_last_but_is_not_refused(stream: str, viewer: str) -> None:
    found = rank(stream, viewer)
    assert found is not None
    assert (found == (3, 0, 0)) is (h264_profile(stream.lower()) is None or h264_profile(viewer.lower()) is None)


def test_our_default_is_what_every_browser_plays() -> None:
    assert h264_profile(CONSTRAINED_BASELINE) == "constrained-baseline"
