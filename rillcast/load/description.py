"""The session descriptions of generated peers: what a browser would say, shortened."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import MediaKind
from rillcast.media.sdp.codecs import parse_payloads
from rillcast.media.sdp.document import Document, MediaSection, parse_document
from rillcast.media.sdp.transport import check_credentials, remote_dtls, remote_setup

_VIDEO = {102: "H264/90000", 103: "rtx/90000", 96: "VP8/90000", 97: "rtx/90000"}
_FMTP = {
    102: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    103: "apt=102",
    97: "apt=96",
    111: "minptime=10;useinbandfec=1",
}
_AUDIO = {111: "opus/48000/2"}
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_EXTMAP = f"a=extmap:2 {ABS_SEND_TIME}"
MID, RID = (3, "urn:ietf:params:rtp-hdrext:sdes:mid"), (4, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id")
VIDEO_MID = "1"


class LocalPeer(msgspec.Struct, frozen=True):
    """What is ours in a description."""

    ufrag: str
    pwd: str
    fingerprint: str

    @classmethod
    def new(cls, fingerprint: str) -> LocalPeer:
        return cls(secrets.token_hex(4), secrets.token_hex(12), fingerprint)


class ViewedTrack(msgspec.Struct, frozen=True):
    video: bool
    codec: str
    clock_rate: int
    payload_type: int
    rtx_payload_type: int
    abs_send_time: int = 0
    """The header extension's id."""


class PublishedTrack(msgspec.Struct, frozen=True):
    video: bool
    clock_rate: int
    payload_type: int
    ssrc: int
    layer: int = 0
    """Which of the encoded videos it is."""
    extensions: tuple[tuple[int, str], ...] = ()
    """(id, value) in every packet."""


def simulcast_track(clock_rate: int, payload_type: int, ssrc: int, layer: int) -> PublishedTrack:
    """A layer, told apart by its RID (RFC 8852)."""
    return PublishedTrack(True, clock_rate, payload_type, ssrc, layer, ((MID[0], VIDEO_MID), (RID[0], f"r{layer}")))


class Agreed(msgspec.Struct, frozen=True):
    """What an offer and its answer agree on, as the native thread wants it."""

    remote: str
    remote_ufrag: str
    remote_pwd: str
    fingerprint_hash: str
    fingerprint: str
    client: bool
    viewed: tuple[ViewedTrack, ...]


def view_offer(local: LocalPeer) -> str:
    """Receive audio and video, H.264 or VP8."""
    return _session(
        local,
        "actpass",
        [_media("audio", "0", _AUDIO, "recvonly"), _media("video", VIDEO_MID, _VIDEO, "recvonly", extra=[_EXTMAP])],
    )


def publish_offer(local: LocalPeer, tracks: Sequence[PublishedTrack]) -> str:
    """Send H.264 without RTX (repairs are byte-identical) and Opus. Several video `tracks` are simulcast layers."""
    videos, audio = [t for t in tracks if t.video], next(t for t in tracks if not t.video)
    stream = "a=msid:load load"
    sent = [stream, f"a=ssrc:{videos[0].ssrc} cname:load"]
    if len(videos) > 1:
        rids = [value for t in videos for number, value in t.extensions if number == RID[0]]
        sent = [stream, *(f"a=extmap:{number} {uri}" for number, uri in (MID, RID))]
        sent += [*(f"a=rid:{rid} send" for rid in rids), f"a=simulcast:send {';'.join(rids)}"]
    return _session(
        local,
        "actpass",
        [
            _media("audio", "0", _AUDIO, "sendonly", extra=[stream, f"a=ssrc:{audio.ssrc} cname:load"]),
            _media("video", VIDEO_MID, {102: _VIDEO[102]}, "sendonly", extra=[_EXTMAP, *sent]),
        ],
    )


def view_answer(local: LocalPeer, offer_sdp: str) -> tuple[str, Agreed]:
    """Answer a server's offer (Ant Media `play`): every audio and video m-line is taken with its first codec."""
    offer = parse_document(offer_sdp)
    return _session(local, "active", [_taken(section) for section in offer.sections]), _agreed(offer, client=True)


def _taken(section: MediaSection) -> list[str]:
    payloads = parse_payloads(section) if section.kind in tuple(MediaKind) else ()
    if not payloads:
        refused = f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
        return [refused, f"a=mid:{section.mid}", "a=inactive"]
    first = payloads[0]
    maps = {first.payload_type: first.rtpmap()}
    if first.rtx_payload_type:
        maps[first.rtx_payload_type] = f"rtx/{first.clock_rate}"
    extensions = [f"a=extmap:{value}" for value in section.values("extmap") if ABS_SEND_TIME in value]
    rtx = {first.rtx_payload_type: first.payload_type}
    return _media(section.kind, section.mid, maps, "recvonly", extra=extensions, rtx=rtx)


def agreed(answer_sdp: str) -> Agreed:
    """What a server's answer says."""
    answer = parse_document(answer_sdp)
    return _agreed(answer, client=None)


def _agreed(document: Document, *, client: bool | None) -> Agreed:
    used = [s for s in document.sections if not s.refused and s.kind in tuple(MediaKind) and s.direction != "inactive"]
    if not used:
        raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the server took no m-line")
    # Not `remote_ice`: that refuses ICE-lite agents, and servers are.
    ice = check_credentials(_attribute(document, used, "ice-ufrag"), _attribute(document, used, "ice-pwd"))
    is_client = client if client is not None else remote_setup(document, used) != "active"
    dtls = remote_dtls(document, used, "client" if is_client else "server")
    tracks = []
    for section in used:
        payload = parse_payloads(section)[0]
        tracks.append(
            ViewedTrack(
                section.kind == MediaKind.VIDEO,
                payload.codec,
                payload.clock_rate,
                payload.payload_type,
                payload.rtx_payload_type,
                _extension(section, ABS_SEND_TIME),
            )
        )
    return Agreed(
        _candidate(used), ice.ufrag, ice.pwd, dtls.fingerprint_hash, dtls.fingerprint, is_client, tuple(tracks)
    )


def _extension(section: MediaSection, uri: str) -> int:
    """The id agreed on, 0 = none."""
    found = (value.split()[0].split("/")[0] for value in section.values("extmap") if uri in value.split())
    return next((int(number) for number in found if number.isdecimal() and 0 < int(number) < 256), 0)


def _attribute(document: Document, used: list[MediaSection], name: str) -> str | None:
    places = [*(s.attributes for s in used), document.attributes]
    return next((p[name][0] for p in places if p.get(name)), None)


def _candidate(used: list[MediaSection]) -> str:
    """``ip:port`` of the first UDP candidate, IPv4 before IPv6."""
    found = []
    for line in (value for section in used for value in section.values("candidate")):
        parts = line.split()
        if len(parts) >= 8 and parts[2].lower() == "udp" and parts[1] == "1":
            found.append((ipaddress.ip_address(parts[4]), int(parts[5])))
    if not found:
        raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the server gave no UDP candidate")
    address, port = min(found, key=lambda f: f[0].version)
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def _session(local: LocalPeer, setup: str, media: list[list[str]]) -> str:
    mids = " ".join(line.removeprefix("a=mid:") for lines in media for line in lines if line.startswith("a=mid:"))
    head = ["v=0", f"o=- {secrets.randbelow(1 << 62)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    transport = [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
    ]
    lines = [*head, *(line for section in media for line in [*section, *transport])]
    return "\r\n".join(lines) + "\r\n"


def _media(
    kind: str,
    mid: str,
    maps: dict[int, str],
    direction: str,
    *,
    extra: list[str] | None = None,
    rtx: dict[int, int] | None = None,
) -> list[str]:
    lines = [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, maps))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=rtcp-mux",
    ]
    for number, rtpmap in maps.items():
        lines.append(f"a=rtpmap:{number} {rtpmap}")
        fmtp = f"apt={rtx[number]}" if rtx and number in rtx else _FMTP.get(number, "")
        if fmtp:
            lines.append(f"a=fmtp:{number} {fmtp}")
        if kind == MediaKind.VIDEO and not rtpmap.startswith("rtx"):
            lines += [f"a=rtcp-fb:{number} {fb}" for fb in ("nack", "nack pli", "ccm fir", "goog-remb")]
    return [*lines, *(extra or [])]
