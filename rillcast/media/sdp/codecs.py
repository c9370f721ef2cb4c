"""The RTP payloads of an m-line (rtpmap, fmtp, feedback, RTX), and which of them can carry a given stream."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import MediaKind
from rillcast.media.sdp.document import MediaSection, bad, shown
from rillcast.media.sdp.h264 import INTERLEAVED, h264_rank
from rillcast.media.sdp.h265 import DEFAULTS as H265_DEFAULTS
from rillcast.media.sdp.h265 import h265_rank, h265_readable

VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
AUDIO_FEEDBACK = ("nack",)
MAX_FMTP = 1024
"""The longest format parameters in characters. Longer ones are refused, since records keep them and every viewer
gets them."""

MOST_REMEMBERED = 16_384
"""The longest lines about payloads, in characters, whose meaning is remembered. Those of browsers have some 3 000."""

LOCAL_PARAMETERS = ("max-", "x-google")
"""Prefixes of parameters that describe the limits of one receiver, or tune one sender. They are never repeated to
others."""

_STATIC = {
    0: "PCMU/8000",
    3: "GSM/8000",
    4: "G723/8000",
    5: "DVI4/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    10: "L16/44100/2",
    11: "L16/44100",
    13: "CN/8000",
    15: "G728/8000",
    18: "G729/8000",
    26: "JPEG/90000",
    31: "H261/90000",
    34: "H263/90000",
}
"""What payload types mean without ``a=rtpmap`` (RFC 3551 §6)."""
LAST_STATIC = 34
"""The highest payload type that means something by itself."""
_CANONICAL = {name.lower(): name for name in ("H264", "H265", "VP8", "VP9", "AV1", "opus", "PCMU", "PCMA", "G722")}
_TOLD_APART = {
    "H264": {"packetization-mode": "1"},
    "H265": H265_DEFAULTS,
    "VP9": {"profile-id": "0"},
    "AV1": {"profile": "0"},
}
"""Parameters without which no decoder is right, and what they usually are."""
_SHOWN = 8
"""The characters of a parameter that error messages show."""
_RTPMAP = re.compile(r"([A-Za-z0-9._-]{1,32})/([1-9][0-9]{0,5})(?:/([1-9][0-9]?))?")
_PARAMETER_SETS = {"H264": ("sprop-parameter-sets",), "H265": ("sprop-vps", "sprop-sps", "sprop-pps")}
_AUXILIARY = {"rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "cn"}


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One media format of an m-line, together with its retransmission format (RTX)."""

    payload_type: int
    codec: str
    """The encoding name in our spelling (see `canonical`)."""
    clock_rate: int
    channels: int = 0
    fmtp: str = ""
    feedback: tuple[str, ...] = ()
    """The kinds of feedback (``a=rtcp-fb``) that were offered and that we know."""
    rtx_payload_type: int = 0

    def rtpmap(self) -> str:
        """The value of ``a=rtpmap`` without the payload type, e.g. ``opus/48000/2``."""
        return f"{self.codec}/{self.clock_rate}" + (f"/{self.channels}" if self.channels > 1 else "")


def format_parameters(fmtp: str) -> dict[str, str]:
    """The parameters in a text like ``a=1;b=2``, by their names in lower case."""
    pairs = (item.partition("=") for item in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def without_parameters(fmtp: str, prefixes: tuple[str, ...]) -> str:
    """`fmtp` without the parameters whose names begin with one of these prefixes."""
    items = (item.strip() for item in fmtp.split(";"))
    return ";".join(item for item in items if item and not item.lower().startswith(prefixes))


def parameter_sets(payload: Payload) -> tuple[str, ...]:
    """The parameter sets that the payload's fmtp tells (RFC 6184 §8.1, RFC 7798 §7.1): NAL units in base64. What is no
    base64 is passed over, since most publishers send their sets with each keyframe as well."""
    told = format_parameters(payload.fmtp)
    texts = (told.get(name, "") for name in _PARAMETER_SETS.get(payload.codec, ()))
    return tuple(text for listed in texts for text in listed.split(",") if _is_base64(text))


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def canonical(codec: str) -> str:
    """The encoding name in the spelling that we use, whatever the peer's upper and lower case."""
    return _CANONICAL.get(codec.lower(), codec)


class PayloadLines(NamedTuple):
    """What an m-line says of its payloads, and how error messages call it."""

    label: str
    kind: str
    formats: tuple[str, ...]
    rtpmap: tuple[str, ...]
    fmtp: tuple[str, ...]
    feedback: tuple[str, ...]

    @property
    def characters(self) -> int:
        """The length of all texts together."""
        return sum(len(text) for texts in self[2:] for text in texts)


def parse_payloads(section: MediaSection) -> tuple[Payload, ...]:
    """The media formats of an audio or video m-line, in the peer's order of preference. Raises `RillcastError`
    (BAD_REMOTE_DESCRIPTION)."""
    lines = PayloadLines(
        section.label,
        section.kind,
        section.formats,
        *(tuple(section.values(name)) for name in ("rtpmap", "fmtp", "rtcp-fb")),
    )
    return _remembered(lines) if lines.characters <= MOST_REMEMBERED else _parse_payloads(lines)


def _parse_payloads(section: PayloadLines) -> tuple[Payload, ...]:
    numbers = _payload_types(section)
    maps = _by_payload_type(section, "rtpmap", section.rtpmap)
    fmtps = _all_parameters(section)
    rtx: dict[int, int] = {}
    found: list[Payload] = []
    for number in numbers:
        text = maps.get(number, _STATIC.get(number))
        if text is None:
            continue
        match = _RTPMAP.fullmatch(text)
        if match is None:
            raise bad(f"{section.label} has a malformed a=rtpmap:{number} {shown(text)}")
        fmtp = _checked_fmtp(section, fmtps.get(number, ""))
        if match[1].lower() == "rtx":
            associated = format_parameters(fmtp).get("apt", "")
            if re.fullmatch(r"[0-9]{1,3}", associated):
                rtx.setdefault(int(associated), number)
            continue
        found.append(
            Payload(
                payload_type=number,
                codec=canonical(match[1]),
                clock_rate=int(match[2]),
                channels=int(match[3] or 1) if section.kind == MediaKind.AUDIO else 0,
                fmtp=fmtp,
            )
        )
    feedback = _feedback(section)
    return tuple(
        msgspec.structs.replace(
            payload,
            rtx_payload_type=rtx.get(payload.payload_type, 0),
            feedback=_known_feedback(section.kind, feedback, payload.payload_type),
        )
        for payload in found
    )


_remembered = lru_cache(64)(_parse_payloads)
"""All who use one version of a browser say the same of their payloads."""


def choose_for_publisher(
    payloads: Sequence[Payload], accepted: Sequence[str], preferred: Sequence[str] = ()
) -> Payload | None:
    """The first of the `preferred` codecs that the publisher has; else the first one in its own order. Only those that
    are `accepted` count. Of several H264 formats it is the first that may fragment frames; formats that nobody could
    read are passed over."""
    names = {canonical(name) for name in accepted}
    usable = [payload for payload in payloads if payload.codec in names and _is_readable(payload)]
    if not usable:
        return None
    offered = {payload.codec for payload in usable}
    codec = next((name for name in map(canonical, preferred) if name in offered), usable[0].codec)
    found = [payload for payload in usable if payload.codec == codec]
    if codec != "H264":
        return found[0]
    return next((p for p in found if format_parameters(p.fmtp).get("packetization-mode") == "1"), found[0])


def _is_readable(payload: Payload) -> bool:
    parameters = format_parameters(payload.fmtp)
    if payload.codec == "H264":
        return parameters.get("packetization-mode") != INTERLEAVED
    return payload.codec != "H265" or h265_readable(parameters)


def is_filler(section: MediaSection) -> bool:
    """Whether an m-line only stands for sound that a source does not have: its one format is PCMU, with a payload type
    that is not PCMU's own. MediaMTX writes it when it forwards a source without audio."""
    payloads = parse_payloads(section)
    return len(payloads) == 1 and payloads[0].codec == "PCMU" and payloads[0].payload_type > LAST_STATIC


def choose_for_stream(payloads: Sequence[Payload], codec: str, clock_rate: int, fmtp: str) -> Payload | None:
    """The payload of a viewer that best carries a stream of `codec` with `fmtp`; None when none can."""
    ranked = [
        (rank, order, payload)
        for order, payload in enumerate(payloads)
        if payload.codec == codec
        and payload.clock_rate == clock_rate
        and (rank := _rank(codec, fmtp, payload.fmtp)) is not None
    ]
    return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def in_words(codec: str, fmtp: str) -> str:
    """How error messages name a format: with the parameters that tell it from others of its codec."""
    parameters = format_parameters(fmtp)
    said = [
        f"{name}={parameters[name][:_SHOWN]}"
        for name, usual in _TOLD_APART.get(codec, {}).items()
        if parameters.get(name, usual).upper() != usual
    ]
    return f"{codec} ({', '.join(said)})" if said else codec


def no_common_codec(
    offered: Sequence[tuple[str, Sequence[Payload]]], wanted: Sequence[str], off: Collection[str] = ()
) -> RillcastError:
    """The error NO_COMMON_CODEC, with a message that names what both sides have. `off`: codecs that this app has
    switched off; those of them that were offered are named as well."""
    parts = []
    for kind, payloads in offered[:4]:
        names = dict.fromkeys(in_words(p.codec, p.fmtp) for p in payloads if p.codec.lower() not in _AUXILIARY)
        parts.append(f"{kind}: {', '.join(list(names)[:12]) or 'nothing usable'}")
    theirs, ours = "; ".join(parts) or "no media", ", ".join(wanted) or "none"
    codecs = dict.fromkeys(payload.codec for _, payloads in offered for payload in payloads)
    switched = ", ".join(codec for codec in codecs if codec in off)
    why = f"; switched off in this app: {switched}" if switched else ""
    return RillcastError(
        ErrorCode.NO_COMMON_CODEC, f"no common codec: the client offers {theirs}; possible here: {ours}{why}"
    )


def payload_lines(payload: Payload) -> list[str]:
    """The lines ``rtpmap``, ``fmtp`` and ``rtcp-fb`` of a payload and of its RTX."""
    number, rtx = payload.payload_type, payload.rtx_payload_type
    lines = [f"a=rtpmap:{number} {payload.rtpmap()}"]
    if payload.fmtp:
        lines.append(f"a=fmtp:{number} {payload.fmtp}")
    lines += [f"a=rtcp-fb:{number} {feedback}" for feedback in payload.feedback]
    if rtx:
        lines += [f"a=rtpmap:{rtx} rtx/{payload.clock_rate}", f"a=fmtp:{rtx} apt={number}"]
    return lines


def named_formats(section: MediaSection) -> list[str]:
    """The line ``a=rtpmap`` for each format of an m-line that has a name, as the peer wrote it. For answers that refuse
    the m-line: some clients drop an answer with a format whose name it does not repeat."""
    names: dict[str, str] = {}
    for value in section.values("rtpmap"):
        number, _, text = value.partition(" ")
        if _RTPMAP.fullmatch(text.strip()):
            names.setdefault(number, text.strip())
    for fixed, name in _STATIC.items():
        names.setdefault(str(fixed), name)
    kept = [number for number in dict.fromkeys(section.formats) if number in names]
    return [f"a=rtpmap:{number} {names[number]}" for number in kept]


@lru_cache(1_024)
def _rank(codec: str, stream_fmtp: str, viewer_fmtp: str) -> tuple[int, ...] | None:
    """How well a viewer's format fits, lower is better; None = impossible. Most viewers have the same few."""
    stream, viewer = format_parameters(stream_fmtp), format_parameters(viewer_fmtp)
    if codec == "H264":
        return h264_rank(stream, viewer)
    if codec == "H265":
        return h265_rank(stream, viewer)
    if codec == "VP9":
        return (0,) if stream.get("profile-id", "0") == viewer.get("profile-id", "0") else None
    if codec == "AV1":
        have, can = stream.get("profile", "0"), viewer.get("profile", "0")
        return None if can < have else (int(can != have),)
    return (0,)


def _payload_types(section: PayloadLines) -> list[int]:
    numbers = []
    for text in dict.fromkeys(section.formats):
        if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 127:
            raise bad(f"{section.label} has the payload type {shown(text)}; 0–127 are possible")
        if not 64 <= int(text) <= 95:  # RFC 5761 §4: would be taken for RTCP
            numbers.append(int(text))
    return numbers


def _by_payload_type(section: PayloadLines, name: str, values: Sequence[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        number, _, text = value.partition(" ")
        if not re.fullmatch(r"[0-9]{1,3}", number) or not text.strip():
            raise bad(f"{section.label} has a malformed a={name}:{shown(value)}")
        found.setdefault(int(number), text.strip())
    return found


def _all_parameters(section: PayloadLines) -> dict[int, str]:
    """Those of several ``a=fmtp`` lines for one format belong together, as libwebrtc reads them. Of a parameter that is
    said twice the last counts there, and so here (`format_parameters`). A line that says nothing is passed over."""
    found: dict[int, str] = {}
    for value in section.fmtp:
        number, _, text = value.partition(" ")
        if not re.fullmatch(r"[0-9]{1,3}", number):
            raise bad(f"{section.label} has a malformed a=fmtp:{shown(value)}")
        parameters = [part for part in (found.get(int(number), ""), text.strip()) if part]
        found[int(number)] = ";".join(dict.fromkeys(parameters))
    return found


def _checked_fmtp(section: PayloadLines, fmtp: str) -> str:
    if len(fmtp) > MAX_FMTP or not fmtp.isascii():
        raise bad(f"{section.label} has format parameters that are not ASCII or longer than {MAX_FMTP} characters")
    return fmtp


def _feedback(section: PayloadLines) -> dict[str, set[str]]:
    feedback: dict[str, set[str]] = {}
    for value in section.feedback:
        number, _, text = value.partition(" ")
        feedback.setdefault(number, set()).add(" ".join(text.split()))
    return feedback


def _known_feedback(kind: str, feedback: dict[str, set[str]], number: int) -> tuple[str, ...]:
    offered = feedback.get(str(number), set()) | feedback.get("*", set())
    return tuple(item for item in (VIDEO_FEEDBACK if kind == MediaKind.VIDEO else AUDIO_FEEDBACK) if item in offered)
