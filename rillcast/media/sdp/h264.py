"""H.264 profiles in format parameters, and which decoder plays which stream (RFC 6184 §8.1 and §8.2.2, table 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

CONSTRAINED_BASELINE = "42e01f"
_DEFAULT_PROFILE = "42000a"
"""Baseline level 1, when there is no profile-level-id (RFC 6184 §8.1)."""

_PROFILES = (
    (0x42, 0b0100_1111, 0b0100_0000, "constrained-baseline"),
    (0x4D, 0b1000_1111, 0b1000_0000, "constrained-baseline"),
    (0x58, 0b1100_1111, 0b1100_0000, "constrained-baseline"),
    (0x42, 0b0100_1111, 0b0000_0000, "baseline"),
    (0x58, 0b1100_1111, 0b1000_0000, "baseline"),
    (0x4D, 0b1010_1111, 0b0000_0000, "main"),
    (0x58, 0b1100_1111, 0b0000_0000, "extended"),
    (0x64, 0b1111_1111, 0b0000_1100, "constrained-high"),
    (0x64, 0b1111_1111, 0b0000_0000, "high"),
)
"""(profile_idc, mask of profile_iop, its value, name)."""
_BY_IDC = {
    0x42: "baseline",
    0x4D: "main",
    0x58: "extended",
    0x64: "high",
    0x6E: "high-10",
    0x7A: "high-422",
    0xF4: "high-444",
}
_DECODERS = {
    "constrained-baseline": {
        "baseline",
        "main",
        "extended",
        "constrained-high",
        "high",
        "high-10",
        "high-422",
        "high-444",
    },
    "baseline": {"extended", "constrained-baseline"},
    "main": {"high", "high-10", "high-422", "high-444"},
    "constrained-high": {"high", "high-10", "high-422", "high-444"},
    "high": {"high-10", "high-422", "high-444"},
    "high-10": {"high-422", "high-444"},
    "high-422": {"high-444"},
}
"""By profile of the stream: other profiles whose decoders play it. Baseline streams of real encoders use nothing that
constrained baseline lacks."""

INTERLEAVED = "2"
"""The packetization-mode in which packets come in another order than they are decoded in (RFC 6184 §6.4). Browsers do
not know it."""
_AFTER_ALL_THAT_NAME_A_MODE = 4
"""Added to the first part of a rank."""


def h264_profile(profile_level_id: str) -> str | None:
    """The name of the profile, or None when the text is not a profile-level-id."""
    if not re.fullmatch(r"[0-9a-fA-F]{6}", profile_level_id):
        return None
    idc, iop = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    exact = next((name for i, mask, value, name in _PROFILES if i == idc and iop & mask == value), None)
    return exact or _BY_IDC.get(idc)


def h264_rank(stream: Mapping[str, str], viewer: Mapping[str, str]) -> tuple[int, ...] | None:
    """How well a viewer's H264 format fits a stream's parameters, lower is better; None = impossible.

    A fragmented stream (packetization-mode 1) goes to no viewer that says it takes whole frames only (mode 0). One
    that names no mode would mean the same by RFC 6184 §8.1, but clients that say nothing put fragments together all
    the same, so they come after those that name the mode. The profile should be the same, else one whose decoders play
    the stream; any other comes last rather than never, because browsers' decoders play more profiles than they announce
    (Chromium names no plain High, yet decodes it).
    """
    mode = stream.get("packetization-mode", "0" if "profile-level-id" in stream else "1")
    viewer_mode = viewer.get("packetization-mode")
    if viewer_mode is not None and mode not in ("0", viewer_mode):
        return None
    unsaid = mode != "0" and viewer_mode is None
    have = stream.get("profile-level-id", CONSTRAINED_BASELINE).lower()
    can = viewer.get("profile-level-id", _DEFAULT_PROFILE).lower()
    profile, decoder = h264_profile(have), h264_profile(can)
    if profile is None or decoder is None:
        return (_AFTER_ALL_THAT_NAME_A_MODE + 3 if unsaid else 3, 0, 0)
    fit = 0 if decoder == profile else 1 if decoder in _DECODERS.get(profile, ()) else 2
    level_too_low = int(have[4:], 16) > int(can[4:], 16)
    after = _AFTER_ALL_THAT_NAME_A_MODE if unsaid else 0
    return (after + fit, int(level_too_low), int((viewer_mode or "0") != mode))
