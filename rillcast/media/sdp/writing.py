"""Writes session descriptions: the parts that every offer and every answer of ours is made of."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from rillcast.contracts.words import MediaKind
from rillcast.media.sdp.codecs import Payload, named_formats, payload_lines
from rillcast.media.sdp.document import Document, MediaSection, bad
from rillcast.media.sdp.transport import LocalTransport, connection_line, transport_lines


def session_lines(bundle: Sequence[str]) -> list[str]:
    """Everything before the first m-line."""
    group = [f"a=group:BUNDLE {' '.join(bundle)}"] if bundle else []
    return [
        "v=0",
        f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        *group,
        "a=ice-lite",
        "a=msid-semantic: WMS *",
    ]


def media_lines(
    kind: str,
    protocol: str,
    local: LocalTransport,
    payloads: Sequence[Payload],
    *,
    mid: str,
    direction: str,
    setup: str,
) -> list[str]:
    """One m-line that is in use, from its beginning to its payloads. An empty `mid` is left out."""
    numbers = [n for payload in payloads for n in (payload.payload_type, payload.rtx_payload_type) if n]
    return [
        f"m={kind} {local.port} {protocol} {' '.join(map(str, numbers))}",
        connection_line(local.addresses[0]),
        *([f"a=mid:{mid}"] if mid else []),
        *transport_lines(local, setup),
        f"a={direction}",
        "a=rtcp-mux",
        *(line for payload in payloads for line in payload_lines(payload)),
    ]


def rejected_lines(section: MediaSection) -> list[str]:
    """A refused m-line: its port is 0, and it is out of the bundle because the group does not name its mid (RFC 8843
    §7.3.3). Its formats keep their names, without which pion drops the whole answer."""
    return [
        f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}",
        "c=IN IP4 0.0.0.0",
        *([f"a=mid:{section.mid}"] if section.mid else []),
        "a=inactive",
        *(named_formats(section) if section.kind in tuple(MediaKind) else []),
    ]


def render(lines: Sequence[str]) -> str:
    """The text of a description: each line ended as RFC 8866 §5 wants it."""
    return "\r\n".join(lines) + "\r\n"


def later_version(sdp: str, former: str) -> str:
    """Our next description of the session that `former` has described: of the same origin, with a higher version (RFC
    8829 §5.3.2). `former` itself when nothing else is new. Both are ours: the origin is their second line."""
    begin, _, *rest = sdp.split("\r\n")
    _, known, *before = former.split("\r\n")
    if rest == before:
        return former
    name, session, version, where = known.split(" ", 3)
    return "\r\n".join([begin, f"{name} {session} {int(version) + 1} {where}", *rest])


def offers_rtp(section: MediaSection, document: Document) -> bool:
    """Whether an m-line is audio or video over DTLS-SRTP, and may join our one transport."""
    return (
        section.kind in tuple(MediaKind)
        and not section.refused
        and "RTP/SAVP" in section.protocol
        and (not document.bundle or section.mid in document.bundle)
    )


def require_one_transport(document: Document, used: Sequence[MediaSection]) -> None:
    """Refuse what would need a port for each m-line, or one for RTCP. Raises `RillcastError`."""
    if len(used) > 1 and not document.bundle:
        raise bad("audio and video must share one transport, but a=group:BUNDLE is missing")
    for section in used:
        if "rtcp-mux" not in section.attributes:
            raise bad(f"{section.label} lacks a=rtcp-mux; RTP and RTCP must share one port")
