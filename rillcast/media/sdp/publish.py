"""Publishers: reads the client's offer, and writes the answer with which we receive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import DtlsParameters, Encoding, HeaderExtensions, RecvTrack, SourceId
from rillcast.media.sdp.codecs import (
    LOCAL_PARAMETERS,
    Payload,
    choose_for_publisher,
    no_common_codec,
    parse_payloads,
    without_parameters,
)
from rillcast.media.sdp.document import MediaSection, parse_document
from rillcast.media.sdp.extensions import FROM_PUBLISHER, ExtensionMap
from rillcast.media.sdp.simulcast import offered_layers, offered_ssrcs, simulcast_lines
from rillcast.media.sdp.transport import (
    IceCredentials,
    LocalTransport,
    answered_setup,
    remote_dtls,
    remote_ice,
    remote_setup,
)
from rillcast.media.sdp.writing import (
    media_lines,
    offers_rtp,
    rejected_lines,
    render,
    require_one_transport,
    session_lines,
)


class PublishNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher's offer and our answer agree on."""

    answer_sdp: str
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


def answer_publish(
    offer_sdp: str,
    local: LocalTransport,
    *,
    allocate_source: Callable[[], SourceId],
    video_codecs: Sequence[str] = ("H264", "VP8", "VP9", "AV1"),
    audio_codecs: Sequence[str] = ("opus",),
) -> PublishNegotiation:
    """Answer a publisher: one video and one audio m-line with one codec each are taken, and everything else is refused.

    `allocate_source` is called once for each source, after the offer was found good. Raises `RillcastError`:
    BAD_REMOTE_DESCRIPTION for a broken offer, NO_COMMON_CODEC when none of its media can be taken.
    """
    document = parse_document(offer_sdp)
    accepted: dict[str, _Accepted] = {}
    seen: list[tuple[str, Sequence[Payload]]] = []
    ids = ExtensionMap()
    for section in document.sections:
        if section.kind in accepted or not offers_rtp(section, document) or not section.direction.startswith("send"):
            continue
        payloads = parse_payloads(section)
        seen.append((section.kind, payloads))
        chosen = choose_for_publisher(payloads, video_codecs if section.kind == "video" else audio_codecs)
        if chosen is not None:
            accepted[section.kind] = _accept(section, chosen, ids)
    if not accepted:
        raise no_common_codec(seen, [*video_codecs, *audio_codecs])
    used = [entry.section for entry in accepted.values()]
    require_one_transport(document, used)
    setup, role = answered_setup(remote_setup(document, used))
    ice, dtls = remote_ice(document, used), remote_dtls(document, used, role)
    answers = {entry.section.index: entry for entry in accepted.values()}
    lines = session_lines([section.mid for section in used] if document.bundle else [])
    for section in document.sections:
        entry = answers.get(section.index)
        lines += rejected_lines(section) if entry is None else _answer_lines(entry, local, setup)
    recv, tracks = _tracks(accepted.values(), allocate_source)
    return PublishNegotiation(
        answer_sdp=render(lines),
        ice_remote=ice,
        dtls=dtls,
        extensions=ids.extensions(),
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
        name = "v0" if section.kind == "video" else "a0"
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
