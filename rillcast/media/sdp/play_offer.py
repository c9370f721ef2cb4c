"""Viewers to whom we make the offer (Ant Media's protocol): writes our offer and reads their answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import HeaderExtensions, SendTrack
from rillcast.media.sdp.codecs import (
    AUDIO_FEEDBACK,
    LOCAL_PARAMETERS,
    VIDEO_FEEDBACK,
    Payload,
    format_parameters,
    in_words,
    parse_payloads,
    without_parameters,
)
from rillcast.media.sdp.document import MAX_MEDIA_SECTIONS, MediaSection, bad, parse_document
from rillcast.media.sdp.extensions import OFFERED_IDS, TO_VIEWER, ExtensionMap, for_plane, offered_lines
from rillcast.media.sdp.h264 import CONSTRAINED_BASELINE, h264_profile
from rillcast.media.sdp.h265 import h265_fmtp
from rillcast.media.sdp.sending import (
    AgreedTrack,
    PlayNegotiation,
    SentStream,
    by_mid,
    msid_track,
    send_tracks,
    source_lines,
    with_payload,
)
from rillcast.media.sdp.transport import LocalTransport, remote_dtls, remote_ice, remote_setup, role_from_answer
from rillcast.media.sdp.writing import media_lines, render, session_lines

PROTOCOL = "UDP/TLS/RTP/SAVPF"
_DYNAMIC_TYPES = (*range(96, 128), *range(35, 64))
"""The payload types that may mean anything (RFC 3551 §3). A video format takes two of them, an audio format one."""


class TooManyTracks(ValueError):
    """There are not enough payload types or m-lines for everything that was to be offered."""


class _PayloadTypes:
    """The numbers of one offer. A format has the same in all m-lines, as they share one transport (RFC 8843 §9.1)."""

    def __init__(self) -> None:
        self._free = iter(_DYNAMIC_TYPES)
        self._known: dict[Payload, Payload] = {}

    def numbered(self, payload: Payload, *, rtx: bool) -> Payload:
        """The format with its numbers. Raises TooManyTracks when none are left."""
        known = self._known.get(payload)
        if known is None:
            number, rtx_number = next(self._free, 0), next(self._free, 0) if rtx else 0
            if not number or (rtx and not rtx_number):
                raise TooManyTracks("this many tracks cannot be offered: no payload types are left")
            known = msgspec.structs.replace(payload, payload_type=number, rtx_payload_type=rtx_number)
            self._known[payload] = known
        return known


class OfferedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of our offer."""

    mid: str
    """The mid that stands in the description."""
    subscription: int
    """The place of its stream in what is offered."""
    group: str
    """The `TrackRecord.mid` of the renditions that this line can carry."""
    kind: str
    payloads: tuple[Payload, ...]
    """One payload for each codec of the group, the best first."""


class PlayOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Our offer to a viewer. It must be kept until the answer comes."""

    sdp: str
    id_mapping: dict[str, str]
    """The track id of the msid for each mid. Ant Media's clients need it beside the offer."""
    send: tuple[SendTrack, ...]
    extensions: HeaderExtensions
    lines: tuple[OfferedLine, ...]


def offer_play(streams: Sequence[SentStream], local: LocalTransport) -> PlayOffer:
    """Offer streams, one after the other: one m-line per group of renditions. Mids, payload and extension ids depend on
    the tracks alone, so that another edge's offer fits the same peer connection. Raises ValueError for impossible
    tracks or names, and TooManyTracks."""
    lines = _offered_lines(streams)
    send = send_tracks([(line.kind, line.payloads[0]) for line in lines])
    text = session_lines([line.mid for line in lines])
    for line, track in zip(lines, send, strict=True):
        text += [
            *media_lines(
                line.kind, PROTOCOL, local, line.payloads, mid=line.mid, direction="sendonly", setup="actpass"
            ),
            "a=rtcp-rsize",
            *offered_lines(line.kind),
            *source_lines(track, streams[line.subscription].name, _track_id(line, streams)),
        ]
    kinds = {line.kind for line in lines}
    return PlayOffer(
        sdp=render(text),
        id_mapping={line.mid: _track_id(line, streams) for line in lines},
        send=send,
        extensions=for_plane({name: OFFERED_IDS[name] for kind in kinds for name in TO_VIEWER[kind]}),
        lines=lines,
    )


def accept_play_answer(offer: PlayOffer, answer_sdp: str) -> PlayNegotiation:
    """Take the client's answer. An m-line that it refuses (port 0), or does not want (`inactive`), drops out. Raises
    `RillcastError`: BAD_REMOTE_DESCRIPTION, or NO_COMMON_CODEC when it takes nothing, or refuses all videos: browsers
    do so when they have none of the codecs."""
    document = parse_document(answer_sdp)
    if len(document.sections) != len(offer.lines):
        raise bad(f"the answer has {len(document.sections)} m-lines, the offer {len(offer.lines)}")
    ids = ExtensionMap()
    used: list[MediaSection] = []
    refused: list[OfferedLine] = []
    chosen: list[tuple[SendTrack, OfferedLine, Payload]] = []
    for track, line, section in zip(offer.send, offer.lines, document.sections, strict=True):
        if section.kind != line.kind or section.mid not in ("", line.mid):
            raise bad(f"{section.label} of the answer does not belong to m-line {section.index} of the offer")
        payload = _answered_payload(line, section) if section.direction in ("recvonly", "sendrecv") else None
        if section.port == 0 and line.kind == MediaKind.VIDEO:
            refused.append(line)
        if section.port == 0 or payload is None:
            continue
        ids.accept(section, TO_VIEWER[line.kind], "recvonly")
        used.append(section)
        chosen.append((track, line, payload))
    if not used or (refused and all(line.kind != MediaKind.VIDEO for _, line, _ in chosen)):
        raise _refusal(refused if used else offer.lines)
    role = role_from_answer(remote_setup(document, used))
    return PlayNegotiation(
        sdp=None,
        ice_remote=remote_ice(document, used),
        dtls=remote_dtls(document, used, role),
        extensions=ids.extensions(),
        send=tuple(with_payload(track, payload) for track, _, payload in chosen),
        agreed=tuple(
            AgreedTrack(subscription=line.subscription, group=line.group, codec=payload.codec, track=track.track)
            for track, line, payload in chosen
        ),
    )


def _refusal(lines: Sequence[OfferedLine]) -> RillcastError:
    kinds = " and ".join(dict.fromkeys(line.kind for line in lines))
    codecs = ", ".join(dict.fromkeys(in_words(p.codec, p.fmtp) for line in lines for p in line.payloads))
    text = f"no common codec: the client refuses {kinds}; possible here: {codecs}"
    return RillcastError(ErrorCode.NO_COMMON_CODEC, text)


def _offered_lines(streams: Sequence[SentStream]) -> tuple[OfferedLine, ...]:
    groups = [(place, *group) for place, stream in enumerate(streams) for group in by_mid(stream.tracks).items()]
    if not groups:
        raise ValueError("a stream without tracks cannot be offered")
    if len(groups) > MAX_MEDIA_SECTIONS:
        raise TooManyTracks(
            f"this many tracks cannot be offered: a description has {MAX_MEDIA_SECTIONS} m-lines at most"
        )
    numbers = _PayloadTypes()
    return tuple(
        OfferedLine(
            mid=str(index),
            subscription=place,
            group=group,
            kind=members[0].kind,
            payloads=_offered_payloads(members, numbers),
        )
        for index, (place, group, members) in enumerate(groups)
    )


def _track_id(line: OfferedLine, streams: Sequence[SentStream]) -> str:
    return msid_track(line.kind, streams[line.subscription].name)


def _offered_payloads(members: Sequence[TrackRecord], numbers: _PayloadTypes) -> tuple[Payload, ...]:
    """One payload per codec; for H264 beyond constrained baseline also that one, since browsers decode more than they
    announce and would refuse the m-line (see `h264_rank`)."""
    formats: dict[tuple[str, str], TrackRecord] = {}
    firsts: dict[str, TrackRecord] = {}
    for track in members:
        firsts.setdefault(track.codec, track)
    for codec, track in firsts.items():
        formats[codec, _offered_fmtp(track)] = track
        profile = format_parameters(track.fmtp).get("profile-level-id", CONSTRAINED_BASELINE)
        if codec == "H264" and h264_profile(profile) != "constrained-baseline":
            formats[codec, _h264_fmtp(CONSTRAINED_BASELINE)] = track
    return tuple(_payload(track, codec, fmtp, numbers) for (codec, fmtp), track in formats.items())


def _payload(track: TrackRecord, codec: str, fmtp: str, numbers: _PayloadTypes) -> Payload:
    video = track.kind == MediaKind.VIDEO
    payload = Payload(
        payload_type=0,
        codec=codec,
        clock_rate=track.clock_rate,
        channels=track.channels,
        fmtp=fmtp,
        feedback=VIDEO_FEEDBACK if video else AUDIO_FEEDBACK,
    )
    return numbers.numbered(payload, rtx=video)


def _offered_fmtp(track: TrackRecord) -> str:
    if track.codec == "H264" and "profile-level-id" not in track.fmtp:
        return _h264_fmtp(CONSTRAINED_BASELINE)
    if track.codec == "H265":
        return h265_fmtp(format_parameters(track.fmtp))
    fmtp = without_parameters(track.fmtp, LOCAL_PARAMETERS)
    parameters = format_parameters(fmtp)
    return f"{fmtp};sprop-stereo=1" if parameters.get("stereo") == "1" and "sprop-stereo" not in parameters else fmtp


def _h264_fmtp(profile_level_id: str) -> str:
    return f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile_level_id}"


def _answered_payload(line: OfferedLine, section: MediaSection) -> Payload | None:
    """The first of our formats in the answer's order; numbers are the answerer's (RFC 3264 §6.1)."""
    for answered in parse_payloads(section):
        same = [p for p in line.payloads if p.codec == answered.codec and p.clock_rate == answered.clock_rate]
        if same:
            exact = next((p for p in same if p.payload_type == answered.payload_type), same[0])
            return msgspec.structs.replace(
                exact, payload_type=answered.payload_type, rtx_payload_type=answered.rtx_payload_type
            )
    return None
