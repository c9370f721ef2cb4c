"""The RTP header extensions in descriptions (RFC 8285): their URIs, which ones we take, and their ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from rillcast.media.protocol import HeaderExtensions
from rillcast.media.sdp.document import MediaSection, bad, shown

URIS = {
    "mid": "urn:ietf:params:rtp-hdrext:sdes:mid",
    "rid": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "repaired_rid": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "abs_send_time": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "audio_level": "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "video_orientation": "urn:3gpp:video-orientation",
    "playout_delay": "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "dependency_descriptor": "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
}
_NAMES = {uri: name for name, uri in URIS.items()}

FROM_PUBLISHER = {
    "video": ("mid", "rid", "repaired_rid", "abs_send_time"),
    "audio": ("mid", "audio_level"),
}
"""What we take from publishers, and ``dependency_descriptor`` where the codec is AV1. Transport-wide sequence
numbers are never taken: we estimate the bandwidth of publishers by REMB. Nor is the video orientation: without it the
publisher turns its pictures itself, so that they are upright everywhere."""
TO_VIEWER = {
    "video": ("mid", "abs_send_time", "playout_delay", "video_orientation"),
    "audio": ("mid", "audio_level"),
}
"""What we send to viewers. libwebrtc answers with REMB only when packets carry abs-send-time. The video orientation
comes from origins of former releases, which take it from publishers."""
OFFERED_IDS = {"mid": 1, "abs_send_time": 2, "playout_delay": 3, "video_orientation": 4, "audio_level": 5}

_LINE = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? (\S+)(?: .*)?")
_REVERSED = {"": "", "sendrecv": "", "sendonly": "/recvonly", "recvonly": "/sendonly"}
MAX_ID = 14
"""The largest id of an extension with a one-byte header (RFC 8285 §4.2)."""


class ExtensionMap:
    """The ids accepted so far in one session.

    All m-lines of a bundle share one id space: an id or name that an earlier m-line used otherwise is not taken.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def accept(self, section: MediaSection, wanted: Collection[str], media: str) -> dict[str, str]:
        """Take what `section` offers of `wanted`; returns the answer's ``a=extmap`` lines by name.

        `media` is which way the peer's media goes, ``sendonly`` or ``recvonly``; extensions for the other way are left.
        """
        taken: dict[str, str] = {}
        for identifier, name, direction in _offered(section):
            if name not in wanted or name in taken or not 1 <= identifier <= MAX_ID:
                continue
            if direction not in ("", "sendrecv", media):
                continue
            owner = next((known for known, number in self._ids.items() if number == identifier), name)
            if owner == name and self._ids.setdefault(name, identifier) == identifier:
                taken[name] = f"a=extmap:{identifier}{_REVERSED[direction]} {URIS[name]}"
        return taken

    def extensions(self) -> HeaderExtensions:
        """The accepted ids, for the media plane."""
        return for_plane(self._ids)


def for_plane(ids: Mapping[str, int]) -> HeaderExtensions:
    """The ids that the media plane reads or writes. Playout-delay is agreed on and not used."""
    known = HeaderExtensions.__struct_fields__
    return HeaderExtensions(**{name: number for name, number in ids.items() if name in known})


def offered_lines(kind: str) -> list[str]:
    """The ``a=extmap`` lines that stand in our own offers."""
    return [f"a=extmap:{OFFERED_IDS[name]} {URIS[name]}" for name in TO_VIEWER[kind]]


def _offered(section: MediaSection) -> Iterable[tuple[int, str, str]]:
    for value in section.values("extmap"):
        match = _LINE.fullmatch(value)
        if match is None:
            raise bad(f"{section.label} has a malformed a=extmap:{shown(value)}")
        if match[3] in _NAMES:
            yield int(match[1]), _NAMES[match[3]], match[2] or ""
