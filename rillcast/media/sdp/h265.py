"""H.265 in format parameters: which formats can be taken of publishers, and which decoder plays which stream (RFC 7798
§7.1 and §7.2.2, as draft-ietf-avtcore-hevc-webrtc narrows them)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

DEFAULTS = {"profile-space": "0", "profile-id": "1", "tier-flag": "0", "tx-mode": "SRST", "sprop-max-don-diff": "0"}
"""What tells formats apart, and what a format means that does not say it: the Main profile in the main tier, one RTP
stream, and packets in the order in which they are decoded."""

_DEFAULT_LEVEL = 93
"""Level 3.1 (RFC 7798 §7.1)."""
_DECODERS = {3: {1, 2}, 1: {2}}
"""By profile of the stream: other profiles whose decoders play it (H.265 §A.3). Main is 1, Main 10 is 2, and Main Still
Picture is 3."""


class _Format(NamedTuple):
    profile: int
    tier: int
    level: int


def h265_readable(parameters: Mapping[str, str]) -> bool:
    """Whether a publisher's format can be taken. It cannot if it spreads over several RTP streams, or if its packets
    carry decoding order numbers: browsers read neither, and their payloads would be taken for something else."""
    return _format(parameters) is not None and _said(parameters, "sprop-max-don-diff") == "0"


def h265_rank(stream: Mapping[str, str], viewer: Mapping[str, str]) -> tuple[int, ...] | None:
    """How well a viewer's H265 format fits a stream's parameters, lower is better; None = impossible.

    The profile should be the same, else one whose decoders play the stream; a decoder of the main tier does not play
    the high one. The level only decides between formats of one viewer: what publishers announce is what their encoder
    could do, and what viewers announce is often less than what they can.
    """
    have, can = _format(stream), _format(viewer)
    if have is None or can is None or can.tier < have.tier:
        return None
    if can.profile != have.profile and can.profile not in _DECODERS.get(have.profile, ()):
        return None
    return (int(can.profile != have.profile), int(can.tier != have.tier), int(can.level < have.level))


def h265_fmtp(parameters: Mapping[str, str]) -> str:
    """The parameters with which a stream is offered to viewers. Parameter sets are not among them: browsers read those
    that come in the stream, and no others."""
    profile, tier = _said(parameters, "profile-id"), _said(parameters, "tier-flag")
    return f"level-id={_level(parameters)};profile-id={profile};tier-flag={tier};tx-mode=SRST"


def _format(parameters: Mapping[str, str]) -> _Format | None:
    """None for what nobody decodes, or what is no number."""
    if _said(parameters, "profile-space") != "0" or _said(parameters, "tx-mode").upper() != "SRST":
        return None
    profile, tier = _said(parameters, "profile-id"), _said(parameters, "tier-flag")
    if not re.fullmatch(r"[0-9]{1,2}", profile) or tier not in ("0", "1"):
        return None
    return _Format(int(profile), int(tier), _level(parameters))


def _level(parameters: Mapping[str, str]) -> int:
    """Thirty times the number of the level."""
    level = parameters.get("level-id", "")
    return int(level) if re.fullmatch(r"[0-9]{1,3}", level) else _DEFAULT_LEVEL


def _said(parameters: Mapping[str, str], name: str) -> str:
    return parameters.get(name, DEFAULTS[name])
