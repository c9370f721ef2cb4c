"""Viewers: either we offer (Ant Media's protocol) or the client does (WHEP); we send."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

import msgspec

from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import DtlsParameters, HeaderExtensions, SendTrack
from rillcast.media.sdp.codecs import (
    AUDIO_FEEDBACK,
    VIDEO_FEEDBACK,
    Payload,
    choose_for_stream,
    format_parameters,
    no_common_codec,
    parse_payloads,
)
from rillcast.media.sdp.document import MediaSection, bad, is_token, parse_document
from rillcast.media.sdp.extensions import OFFERED_IDS, TO_VIEWER, ExtensionMap, extension_lines
from rillcast.media.sdp.h264 import CONSTRAINED_BASELINE, h264_profile
from rillcast.media.sdp.transport import (
    IceCredentials,
    LocalTransport,
    answered_setup,
    remote_dtls,
    remote_ice,
    remote_setup,
    role_from_answer,
)
from rillcast.media.sdp.writing import (
    media_lines,
    offers_rtp,
    rejected_lines,
    render,
    require_one_transport,
    session_lines,
)

PROTOCOL = "UDP/TLS/RTP/SAVPF"
_DYNAMIC_TYPES = (*range(96, 128), *range(35, 64))


class OfferedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of our offer."""

    mid: str
    """In the description."""
    group: str
    """`TrackRecord.mid` of the renditions it can carry."""
    kind: str
    payloads: tuple[Payload, ...]
    """One per codec of the group, best first."""


class PlayOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Our offer to a viewer, to be kept until its answer comes."""

    sdp: str
    id_mapping: dict[str, str]
    """mid → msid track id, as Ant Media's clients need it beside the offer."""
    send: tuple[SendTrack, ...]
    extensions: HeaderExtensions
    lines: tuple[OfferedLine, ...]


class PlayNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer and we agree on."""

    sdp: str | None
    """Our answer; None when the client answered."""
    ice_remote: IceCredentials
    dtls: DtlsParameters
    extensions: HeaderExtensions
    send: tuple[SendTrack, ...]
    """Without sources: those come with the relays."""
    codecs_by_mid: dict[str, str]
    """`TrackRecord.mid` → codec; only renditions of this codec can be sent."""
    track_groups: dict[str, int]
    """`TrackRecord.mid` → `SendTrack.track`."""


def offer_play(tracks: Sequence[TrackRecord], local: LocalTransport, *, stream: str, label: str) -> PlayOffer:
    """Offer a stream: one m-line per group of renditions. Mids, payload and extension ids depend on `tracks` alone, so
    that another edge's offer fits the same peer connection. Raises ValueError for impossible `tracks` or names."""
    groups = _groups(tracks)
    if not groups:
        raise ValueError("a stream without tracks cannot be offered")
    numbers = iter(_DYNAMIC_TYPES)
    lines = tuple(
        OfferedLine(mid=str(index), group=group, kind=members[0].kind, payloads=_offered_payloads(members, numbers))
        for index, (group, members) in enumerate(groups.items())
    )
    send = _send_tracks([(line.mid, line.kind, line.payloads[0]) for line in lines])
    text = session_lines([line.mid for line in lines])
    for line, track in zip(lines, send, strict=True):
        ids = {name: OFFERED_IDS[name] for name in TO_VIEWER[line.kind]}
        text += [
            *media_lines(
                line.kind, PROTOCOL, local, line.payloads, mid=line.mid, direction="sendonly", setup="actpass"
            ),
            "a=rtcp-rsize",
            *extension_lines(ids),
            *_source_lines(track, stream, _msid(line.kind, label)),
        ]
    kinds = {line.kind for line in lines}
    return PlayOffer(
        sdp=render(text),
        id_mapping={line.mid: _msid(line.kind, label) for line in lines},
        send=send,
        extensions=HeaderExtensions(**{name: OFFERED_IDS[name] for kind in kinds for name in TO_VIEWER[kind]}),
        lines=lines,
    )


def accept_play_answer(offer: PlayOffer, answer_sdp: str) -> PlayNegotiation:
    """Take the client's answer. M-lines it refuses drop out. Raises `RillcastError`: BAD_REMOTE_DESCRIPTION, or
    NO_COMMON_CODEC when it refuses all."""
    document = parse_document(answer_sdp)
    if len(document.sections) != len(offer.lines):
        raise bad(f"the answer has {len(document.sections)} m-lines, the offer {len(offer.lines)}")
    ids = ExtensionMap()
    used: list[MediaSection] = []
    chosen: list[tuple[SendTrack, OfferedLine, Payload]] = []
    for track, line, section in zip(offer.send, offer.lines, document.sections, strict=True):
        if section.kind != line.kind or section.mid not in ("", line.mid):
            raise bad(f"{section.label} of the answer does not belong to m-line {section.index} of the offer")
        payload = _answered_payload(line, section) if section.direction in ("recvonly", "sendrecv") else None
        if section.port == 0 or payload is None:
            continue
        offered = {name: OFFERED_IDS[name] for name in TO_VIEWER[line.kind]}
        ids.accept(section, offered)
        used.append(section)
        chosen.append((track, line, payload))
    if not used:
        raise no_common_codec([], [payload.codec for line in offer.lines for payload in line.payloads])
    role = role_from_answer(remote_setup(document, used))
    return PlayNegotiation(
        sdp=None,
        ice_remote=remote_ice(document, used),
        dtls=remote_dtls(document, used, role),
        extensions=ids.extensions(),
        send=tuple(_with_payload(track, payload) for track, _, payload in chosen),
        codecs_by_mid={line.group: payload.codec for _, line, payload in chosen},
        track_groups={line.group: track.track for track, line, _ in chosen},
    )


def answer_play(
    offer_sdp: str, tracks: Sequence[TrackRecord], local: LocalTransport, *, stream: str, label: str
) -> PlayNegotiation:
    """Answer a viewer's offer (WHEP): each m-line that wants to receive gets the next group of its kind that it can
    play; the others are refused. Raises `RillcastError`: BAD_REMOTE_DESCRIPTION or NO_COMMON_CODEC."""
    document = parse_document(offer_sdp)
    groups = _groups(tracks)
    ids = ExtensionMap()
    seen: list[tuple[str, Sequence[Payload]]] = []
    chosen: dict[int, tuple[str, Payload, dict[str, int]]] = {}
    for section in document.sections:
        if not offers_rtp(section, document) or section.direction not in ("recvonly", "sendrecv"):
            continue
        payloads = parse_payloads(section)
        seen.append((section.kind, payloads))
        found = _first_playable(groups, section.kind, payloads)
        if found is not None:
            group, payload = found
            del groups[group]
            chosen[section.index] = (group, payload, ids.accept(section, TO_VIEWER[section.kind]))
    used = [document.sections[index] for index in chosen]
    if not used:
        raise no_common_codec(seen, list(dict.fromkeys(track.codec for track in tracks)))
    require_one_transport(document, used)
    setup, role = answered_setup(remote_setup(document, used))
    send = _send_tracks([(section.mid, section.kind, chosen[section.index][1]) for section in used])
    tracks_by_line = dict(zip(chosen, send, strict=True))
    text = session_lines([section.mid for section in used] if document.bundle else [])
    for section in document.sections:
        if section.index not in chosen:
            text += rejected_lines(section)
            continue
        _, payload, extensions = chosen[section.index]
        text += [
            *media_lines(
                section.kind, section.protocol, local, [payload], mid=section.mid, direction="sendonly", setup=setup
            ),
            *(["a=rtcp-rsize"] if "rtcp-rsize" in section.attributes else []),
            *extension_lines(extensions),
            *_source_lines(tracks_by_line[section.index], stream, _msid(section.kind, label)),
        ]
    return PlayNegotiation(
        sdp=render(text),
        ice_remote=remote_ice(document, used),
        dtls=remote_dtls(document, used, role),
        extensions=ids.extensions(),
        send=send,
        codecs_by_mid={group: payload.codec for group, payload, _ in chosen.values()},
        track_groups={group: tracks_by_line[index].track for index, (group, _, _) in chosen.items()},
    )


def _groups(tracks: Sequence[TrackRecord]) -> dict[str, list[TrackRecord]]:
    groups: dict[str, list[TrackRecord]] = {}
    for track in tracks:
        groups.setdefault(track.mid, []).append(track)
    return groups


def _first_playable(
    groups: dict[str, list[TrackRecord]], kind: str, payloads: Sequence[Payload]
) -> tuple[str, Payload] | None:
    for group, members in groups.items():
        if members[0].kind != kind:
            continue
        for track in members:
            payload = choose_for_stream(payloads, track.codec, track.clock_rate, track.fmtp)
            if payload is not None:
                return group, payload
    return None


def _offered_payloads(members: Sequence[TrackRecord], numbers: Iterator[int]) -> tuple[Payload, ...]:
    """One payload per codec; for H264 beyond constrained baseline also that one, since browsers decode more than they
    announce and would refuse the m-line (see `h264_rank`)."""
    formats: dict[tuple[str, str], TrackRecord] = {}
    for codec, track in {track.codec: track for track in reversed(members)}.items():
        formats[codec, _offered_fmtp(track)] = track
        profile = format_parameters(track.fmtp).get("profile-level-id", CONSTRAINED_BASELINE)
        if codec == "H264" and h264_profile(profile) != "constrained-baseline":
            formats[codec, _h264_fmtp(CONSTRAINED_BASELINE)] = track
    try:
        return tuple(
            Payload(
                payload_type=next(numbers),
                codec=codec,
                clock_rate=track.clock_rate,
                channels=track.channels,
                fmtp=fmtp,
                feedback=VIDEO_FEEDBACK if track.kind == "video" else AUDIO_FEEDBACK,
                rtx_payload_type=next(numbers) if track.kind == "video" else 0,
            )
            for (codec, fmtp), track in formats.items()
        )
    except RuntimeError as error:  # StopIteration inside a generator
        raise ValueError("a stream with this many tracks cannot be offered: no payload types are left") from error


def _offered_fmtp(track: TrackRecord) -> str:
    if track.codec == "H264" and "profile-level-id" not in track.fmtp:
        return _h264_fmtp(CONSTRAINED_BASELINE)
    parameters = format_parameters(track.fmtp)
    if track.codec == "opus" and parameters.get("stereo") == "1":
        parameters["sprop-stereo"] = "1"
    return ";".join(
        f"{name}={value}" if value else name for name, value in parameters.items() if not name.startswith("x-google")
    )


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


def _send_tracks(lines: Sequence[tuple[str, str, Payload]]) -> tuple[SendTrack, ...]:
    cname = secrets.token_hex(8)
    ssrcs: dict[int, None] = {}
    while len(ssrcs) < 2 * len(lines):
        ssrcs.setdefault(secrets.randbelow((1 << 32) - 1) + 1)
    pairs = iter(ssrcs)
    return tuple(
        _with_payload(
            SendTrack(
                track=index,
                mid=mid,
                kind=kind,
                clock_rate=payload.clock_rate,
                payload_type=payload.payload_type,
                ssrc=next(pairs),
                rtx_ssrc=next(pairs),
                cname=cname,
            ),
            payload,
        )
        for index, (mid, kind, payload) in enumerate(lines)
    )


def _with_payload(track: SendTrack, payload: Payload) -> SendTrack:
    rtx = payload.rtx_payload_type
    return msgspec.structs.replace(
        track,
        clock_rate=payload.clock_rate,
        payload_type=payload.payload_type,
        rtx_payload_type=rtx,
        rtx_ssrc=track.rtx_ssrc if rtx else 0,
    )


def _msid(kind: str, label: str) -> str:
    """Ant Media's track id: a prefix of 7 characters that clients cut off, and the label."""
    return f"ARDAMS{'v' if kind == 'video' else 'a'}{label}"


def _source_lines(track: SendTrack, stream: str, track_id: str) -> list[str]:
    if not is_token(stream) or not is_token(track_id):
        raise ValueError(f"not possible in a=msid: {stream!r} {track_id!r}")
    ssrcs = [track.ssrc, track.rtx_ssrc] if track.rtx_ssrc else [track.ssrc]
    return [
        f"a=msid:{stream} {track_id}",
        *([f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}"] if track.rtx_ssrc else []),
        *(
            line
            for ssrc in ssrcs
            for line in (f"a=ssrc:{ssrc} cname:{track.cname}", f"a=ssrc:{ssrc} msid:{stream} {track_id}")
        ),
    ]
