"""The two offers to a client that moves to this node while its former one still serves it.

Chromium begins a new DTLS association in the moment in which it hears of another certificate, over the way that it has.
So the first offer changes the ICE part alone. The second one follows when the client has chosen its new way, and brings
our certificate and the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from rillcast.media.protocol import SendTrack
from rillcast.media.sdp.document import bad, parse_document

_OF_A_NODE = re.compile(r"o=|c=|a=(ice-ufrag|ice-pwd|fingerprint|candidate|end-of-candidates|ssrc|ssrc-group)(:|$)")
"""What differs between the offers of two edges to the same viewer."""
_CNAME = re.compile(r"a=ssrc:(\d{1,10}) cname:(\S+)")
"""Stands once for each SSRC, that of the media first."""
_KEPT = re.compile(r"a=(fingerprint|ssrc|ssrc-group):")
"""What belongs to the association, and to the streams that come over it."""


def before_move(offer_sdp: str, answered_sdp: str) -> str:
    """Our offer `offer_sdp` for the time in which the publisher's media still goes to its former node, which has
    described itself by `answered_sdp`: it keeps the DTLS association with that node (RFC 8842 §4), while the client
    looks for a way to this one. Raises BAD_REMOTE_DESCRIPTION when that description has no fingerprint."""
    document = parse_document(answered_sdp)
    places = [*(section.attributes for section in document.sections), document.attributes]
    lines = [line for place in places for line in place.get("fingerprint", [])]
    if not lines:
        raise bad("the former description lacks a=fingerprint")
    return re.sub(r"(?m)^a=fingerprint:[^\r\n]*", f"a=fingerprint:{lines[0]}", offer_sdp)


def before_viewer_moves(offer_sdp: str, offered_sdp: str) -> str:
    """The same for a viewer, to whom its former node has made the offer `offered_sdp`: also the streams are those that
    still come from there. Empty when the two offers differ in more than a node of its own; then there can't be two."""
    ours, theirs = _sections(offer_sdp), _sections(offered_sdp)
    if [_common(section) for section in ours] != [_common(section) for section in theirs]:
        return ""
    lines = [line for pair in zip(ours, theirs, strict=True) for line in _mixed(*pair)]
    return "\r\n".join(lines) + "\r\n"


def after_move(offer_sdp: str) -> str:
    """Our offer as the one that follows the first: a later version of the same session (RFC 8829 §5.2.2)."""
    return re.sub(r"(?m)^(o=- \S+) 2 ", r"\g<1> 3 ", offer_sdp)


def as_sent_before(send: Sequence[SendTrack], offered_sdp: str) -> tuple[SendTrack, ...]:
    """The tracks of a viewer with the SSRCs and the CNAME that its former node has offered, of which
    `before_viewer_moves` has found that it fits."""
    sections = _sections(offered_sdp)[1:]
    return tuple(_as_before(track, sections[track.track]) for track in send)


def _as_before(track: SendTrack, section: list[str]) -> SendTrack:
    found = [match for line in section if (match := _CNAME.match(line))]
    ssrcs = [int(match[1]) for match in found]
    return msgspec.structs.replace(
        track,
        ssrc=ssrcs[0] if ssrcs else 0,
        rtx_ssrc=ssrcs[1] if track.rtx_ssrc and len(ssrcs) > 1 else 0,
        cname=found[0][2] if found else track.cname,
    )


def _sections(sdp: str) -> list[list[str]]:
    """The lines before the first m-line, and those of each m-line."""
    found: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            found.append([])
        found[-1].append(line)
    return found


def _common(section: list[str]) -> list[str]:
    """What two edges say alike."""
    return [re.sub(r"^(m=\S+) \d+ ", r"\1 ", line) for line in section if not _OF_A_NODE.match(line)]


def _mixed(ours: list[str], theirs: list[str]) -> list[str]:
    """Our lines, but theirs of what is kept, which stands where ours stood."""
    kept = {name: [line for line in theirs if line.startswith(name)] for name in ("a=fingerprint:", "a=ssrc")}
    lines: list[str] = []
    for line in ours:
        if not _KEPT.match(line):
            lines.append(line)
        else:
            lines += kept.pop("a=ssrc" if line.startswith("a=ssrc") else "a=fingerprint:", [])
    return lines
