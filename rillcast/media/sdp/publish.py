"""Publishers: reads the client's offer, and writes the answer with which we receive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import DtlsParameters, Encoding, HeaderExtensions, RecvTrack, SourceId
from rillcast.media.sdp.codecs import (
    LOCAL_PARAMETERS,
    Payload,
    choose_for_publisher,
    is_filler,
    no_common_codec,
    parameter_sets,
    parse_payloads,
    without_parameters,
)
from rillcast.media.sdp.document import Document, MediaSection, bad, parse_document, shown
from rillcast.media.sdp.extensions import FROM_PUBLISHER, ExtensionMap
from rillcast.media.sdp.simulcast import (
    offered_layers,
    offered_ssrcs,
    refuse_layers_by_ssrc,
    simulcast_lines,
)
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

VIDEO_CODECS = ("H264", "VP8", "VP9", "AV1", "H265")
AUDIO_CODECS = ("opus",)
"""What is taken of publishers, the best first."""


class VideoChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the video codecs of an offer is taken. The default: the first that we take at all."""

    off: tuple[str, ...] = ()
    """Codecs that the app has switched off. They are not taken."""
    preferred: tuple[str, ...] = ()
    """The first of these that the offer has is taken before all others."""
    living: tuple[RecvTrack, ...] = ()
    """What the session has agreed on already. Where the offer still has such a format, it stays, whatever the rest
    says."""


AS_OFFERED = VideoChoice()
"""The first of an offer, whatever the app says."""


class PublishNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher's offer and our answer agree on."""

    answer_sdp: str
    """Our description. That of `offer_move` is an offer."""
    ice_remote: IceCredentials
    dtls: DtlsParameters
    extensions: HeaderExtensions
    recv: tuple[RecvTrack, ...]
    tracks: tuple[TrackRecord, ...]
    """The tracks as the stream's record will show them: one for each source."""
    sources: dict[TrackId, int]
    """The number of each track's source in the media plane."""


class _Accepted(msgspec.Struct, frozen=True):
    section: MediaSection
    payload: Payload
    extensions: dict[str, str]
    layers: tuple[str, ...]


class _Taken(msgspec.Struct, frozen=True):
    """What we take of an offer."""

    document: Document
    entries: tuple[_Accepted, ...]
    """The m-lines that we accept, of which there is at least one."""
    extensions: HeaderExtensions

    @property
    def used(self) -> list[MediaSection]:
        return [entry.section for entry in self.entries]


def answer_publish(
    offer_sdp: str,
    local: LocalTransport,
    *,
    allocate_source: Callable[[], SourceId],
    video_codecs: Sequence[str] = VIDEO_CODECS,
    audio_codecs: Sequence[str] = AUDIO_CODECS,
    choice: VideoChoice = AS_OFFERED,
) -> PublishNegotiation:
    """Answer a publisher: one video and one audio m-line with one codec each are taken, and further ones are refused.
    `choice`: among the `video_codecs`.

    `allocate_source` is called once for each source, after the offer was found good. Raises `RillcastError`:
    BAD_REMOTE_DESCRIPTION for a broken offer, NO_COMMON_CODEC when it wants to send a kind of media, audio or video,
    of which nothing can be taken, or sends none.
    """
    taken = _take(parse_document(offer_sdp), video_codecs, audio_codecs, choice)
    setup, role = answered_setup(remote_setup(taken.document, taken.used))
    return _negotiation(taken, local, setup, role, allocate_source)


def offer_move(
    offer_sdp: str,
    local: LocalTransport,
    *,
    allocate_source: Callable[[], SourceId],
    choice: VideoChoice = AS_OFFERED,
) -> PublishNegotiation:
    """Offer a publisher to go on here in its living peer connection: the answer to the offer that it made when it
    began, as an offer of ours, with which ICE restarts (RFC 8445 §2.4) and a new DTLS association begins (RFC 8842 §4).
    Mids, payload types, extensions and layers depend on its offer and on `choice` alone, so with the choice of then
    they are those that it uses already. Raises as `answer_publish`. `accept_move` takes its answer."""
    taken = _take(parse_document(offer_sdp), VIDEO_CODECS, AUDIO_CODECS, choice)
    return _negotiation(taken, local, "actpass", "server", allocate_source)


def accept_move(offered: PublishNegotiation, answer_sdp: str) -> PublishNegotiation:
    """Take the publisher's answer to our offer, which says its new ICE credentials. Raises `RillcastError`
    (BAD_REMOTE_DESCRIPTION) unless it goes on to send every track as before."""
    document = parse_document(answer_sdp)
    by_mid = {section.mid: section for section in document.sections}
    used: list[MediaSection] = []
    recv: list[RecvTrack] = []
    for track in offered.recv:
        section = _going_on(track, by_mid.get(track.mid))
        used.append(section)
        recv.append(_with_ssrcs(track, section))
    require_one_transport(document, used)
    role = role_from_answer(remote_setup(document, used))
    return msgspec.structs.replace(
        offered, ice_remote=remote_ice(document, used), dtls=remote_dtls(document, used, role), recv=tuple(recv)
    )


def _going_on(track: RecvTrack, section: MediaSection | None) -> MediaSection:
    if section is None or section.kind != track.kind or section.refused:
        raise bad(f"the answer has no {track.kind} with the mid {shown(track.mid)}")
    if not section.direction.startswith("send"):
        raise bad(f"{section.label} of the answer is {section.direction}, and the publisher was asked to send")
    if all(p.payload_type != track.payload_type or p.codec != track.codec for p in parse_payloads(section)):
        raise bad(f"{section.label} of the answer lacks the payload type {track.payload_type} ({track.codec})")
    layers = {encoding.rid for encoding in track.encodings} - {""}
    if layers and not layers.issubset(offered_layers(section, track.payload_type)):
        raise bad(f"{section.label} of the answer lacks layers that were sent before")
    return section


def _with_ssrcs(track: RecvTrack, section: MediaSection) -> RecvTrack:
    """Those that the answer names, or those of before. Layers are known by their RIDs."""
    ssrcs, rtx_ssrcs = offered_ssrcs(section)
    if not track.ssrcs or not ssrcs:
        return track
    return msgspec.structs.replace(track, ssrcs=ssrcs, rtx_ssrcs=rtx_ssrcs if track.rtx_payload_type else ())


def _take(document: Document, video_codecs: Sequence[str], audio_codecs: Sequence[str], choice: VideoChoice) -> _Taken:
    on = [codec for codec in video_codecs if codec not in choice.off]
    codecs = {MediaKind.VIDEO: on, MediaKind.AUDIO: audio_codecs}
    accepted: dict[str, _Accepted] = {}
    left: dict[str, list[MediaSection]] = {}
    ids = ExtensionMap()
    for section in document.sections:
        if section.kind in accepted or not _sends(section):
            continue
        kind = MediaKind(section.kind)
        chosen = _choose(section, codecs[kind], choice) if offers_rtp(section, document) else None
        if chosen is None:
            left.setdefault(kind, []).append(section)
        else:
            accepted[kind] = _accept(section, chosen, ids)
    missing = {kind: left[kind] for kind in codecs if kind not in accepted and kind in left}
    if accepted:
        missing = {kind: sections for kind, sections in missing.items() if not all(map(is_filler, sections))}
    if missing or not accepted:
        wanted = [name for kind in missing or codecs for name in codecs[MediaKind(kind)]]
        raise _refusal(document, missing, wanted, choice.off)
    taken = _Taken(document, tuple(accepted.values()), ids.extensions())
    require_one_transport(document, taken.used)
    _require_tracks_apart(taken)
    return taken


def _require_tracks_apart(taken: _Taken) -> None:
    """Refuse two m-lines whose packets look alike (RFC 8843 §9.2): the sound would be taken for pictures."""
    numbers = [entry.payload.payload_type for entry in taken.entries]
    if len(set(numbers)) == len(numbers) or all("mid" in entry.extensions for entry in taken.entries):
        return
    unknown = [section.label for section in taken.used if not offered_ssrcs(section)[0]]
    if unknown:
        why = "has neither a=ssrc nor the mid header extension to tell it from the other m-line"
        raise bad(f"{unknown[0]} {why}, which also uses the payload type {numbers[0]}")


def _choose(section: MediaSection, accepted: Sequence[str], choice: VideoChoice) -> Payload | None:
    payloads = parse_payloads(section)
    living = [(one.payload_type, one.codec) for one in choice.living if one.mid == section.mid]
    kept = next((payload for payload in payloads if (payload.payload_type, payload.codec) in living), None)
    return kept or choose_for_publisher(payloads, accepted, choice.preferred)


def _sends(section: MediaSection) -> bool:
    return section.kind in tuple(MediaKind) and not section.refused and section.direction.startswith("send")


def _refusal(
    document: Document,
    missing: Mapping[MediaKind, Sequence[MediaSection]],
    wanted: Sequence[str],
    off: Collection[str],
) -> RillcastError:
    """Why an offer is refused as a whole: some kind of its media can't be taken at all. Half of it would look to the
    publisher like success, since nobody reads answers for what is missing."""
    sections = [section for sections in missing.values() for section in sections]
    apart = next((section for section in sections if not offers_rtp(section, document)), None)
    if apart is not None and all(not offers_rtp(other, document) for other in missing[MediaKind(apart.kind)]):
        if "RTP/SAVP" not in apart.protocol:
            return bad(f"{apart.label} is offered as {shown(apart.protocol)}; only RTP over DTLS (SAVPF) is possible")
        return bad(f"{apart.label} is not in a=group:BUNDLE, and all media must share one transport")
    return no_common_codec(
        [(section.kind, parse_payloads(section)) for section in sections if offers_rtp(section, document)], wanted, off
    )


def _negotiation(
    taken: _Taken, local: LocalTransport, setup: str, role: str, allocate_source: Callable[[], SourceId]
) -> PublishNegotiation:
    document, used = taken.document, taken.used
    ice, dtls = remote_ice(document, used), remote_dtls(document, used, role)
    answers = {entry.section.index: entry for entry in taken.entries}
    lines = session_lines([section.mid for section in used] if document.bundle else [])
    for section in document.sections:
        entry = answers.get(section.index)
        lines += rejected_lines(section) if entry is None else _answer_lines(entry, local, setup)
    recv, tracks = _tracks(taken.entries, allocate_source)
    return PublishNegotiation(
        answer_sdp=render(lines),
        ice_remote=ice,
        dtls=dtls,
        extensions=taken.extensions,
        recv=recv,
        tracks=tracks,
        sources={
            track.track: encoding.source
            for track, encoding in zip(tracks, (e for r in recv for e in r.encodings), strict=True)
        },
    )


def _accept(section: MediaSection, payload: Payload, ids: ExtensionMap) -> _Accepted:
    wanted = FROM_PUBLISHER[section.kind] + (("dependency_descriptor",) if payload.codec == "AV1" else ())
    extensions = ids.accept(section, wanted, "sendonly")
    layers = offered_layers(section, payload.payload_type) if "rid" in extensions else ()
    if not layers:
        refuse_layers_by_ssrc(section)
    return _Accepted(section, payload, extensions, layers)


def _answer_lines(entry: _Accepted, local: LocalTransport, setup: str) -> list[str]:
    section = entry.section
    answered = msgspec.structs.replace(
        entry.payload, fmtp=without_parameters(entry.payload.fmtp, ("sprop", *LOCAL_PARAMETERS))
    )
    return [
        *media_lines(
            section.kind, section.protocol, local, [answered], mid=section.mid, direction="recvonly", setup=setup
        ),
        *(["a=rtcp-rsize"] if "rtcp-rsize" in section.attributes else []),
        *entry.extensions.values(),
        *simulcast_lines(entry.layers),
    ]


def _tracks(
    accepted: Iterable[_Accepted], allocate_source: Callable[[], SourceId]
) -> tuple[tuple[RecvTrack, ...], tuple[TrackRecord, ...]]:
    recv: list[RecvTrack] = []
    tracks: list[TrackRecord] = []
    for entry in accepted:
        section, payload = entry.section, entry.payload
        name = "v0" if section.kind == MediaKind.VIDEO else "a0"
        ssrcs, rtx_ssrcs = ((), ()) if entry.layers else offered_ssrcs(section)
        rids = entry.layers or ("",)
        recv.append(
            RecvTrack(
                mid=section.mid,
                kind=MediaKind(section.kind),
                codec=payload.codec,
                clock_rate=payload.clock_rate,
                payload_type=payload.payload_type,
                rtx_payload_type=payload.rtx_payload_type,
                encodings=tuple(Encoding(source=allocate_source(), rid=rid) for rid in rids),
                ssrcs=ssrcs,
                rtx_ssrcs=rtx_ssrcs if payload.rtx_payload_type else (),
                parameter_sets=parameter_sets(payload),
                nack="nack" in payload.feedback,
                pli="nack pli" in payload.feedback,
                remb="goog-remb" in payload.feedback,
            )
        )
        tracks += [
            TrackRecord(
                track=TrackId(f"{name}.{rid}" if rid else name),
                mid=name,
                kind=MediaKind(section.kind),
                codec=payload.codec,
                clock_rate=payload.clock_rate,
                channels=payload.channels,
                fmtp=payload.fmtp,
                rid=rid,
            )
            for rid in rids
        ]
    return tuple(recv), tuple(tracks)
