"""Viewers who make the offer (WHEP): reads it and writes our answer."""

from __future__ import annotations

from collections.abc import Sequence, Set

from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp.codecs import (
    Payload,
    choose_for_stream,
    in_words,
    no_common_codec,
    parse_payloads,
)
from rillcast.media.sdp.document import parse_document
from rillcast.media.sdp.extensions import TO_VIEWER, ExtensionMap
from rillcast.media.sdp.sending import (
    AgreedTrack,
    PlayNegotiation,
    SentStream,
    by_mid,
    msid_track,
    send_tracks,
    source_lines,
)
from rillcast.media.sdp.transport import (
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

Group = tuple[int, str]
"""The place of a stream in what is to be sent, and a `TrackRecord.mid` of it."""


def answer_play(offer_sdp: str, streams: Sequence[SentStream], local: LocalTransport) -> PlayNegotiation:
    """Answer a viewer's offer (WHEP). Each m-line that wants to receive gets the next group of its kind that it can
    play, those of the first stream first, and the others are refused. Raises `RillcastError`: BAD_REMOTE_DESCRIPTION,
    or NO_COMMON_CODEC when there is a kind of media, audio or video, that the viewer wants and the streams have, and
    nothing of it can be played."""
    document = parse_document(offer_sdp)
    groups = {
        (place, group): members
        for place, stream in enumerate(streams)
        for group, members in by_mid(stream.tracks).items()
    }
    ids = ExtensionMap()
    seen: list[tuple[str, Sequence[Payload]]] = []
    chosen: dict[int, tuple[Group, Payload, dict[str, str]]] = {}
    for section in document.sections:
        if not offers_rtp(section, document) or section.direction not in ("recvonly", "sendrecv"):
            continue
        payloads = parse_payloads(section)
        seen.append((section.kind, payloads))
        found = _first_playable(groups, section.kind, payloads)
        if found is not None:
            group, payload = found
            del groups[group]
            chosen[section.index] = (group, payload, ids.accept(section, TO_VIEWER[section.kind], "recvonly"))
    used = [document.sections[index] for index in chosen]
    _require_all_kinds(seen, {section.kind for section in used}, [t for stream in streams for t in stream.tracks])
    require_one_transport(document, used)
    setup, role = answered_setup(remote_setup(document, used))
    send = send_tracks([(section.kind, chosen[section.index][1]) for section in used])
    tracks_by_line = dict(zip(chosen, send, strict=True))
    text = session_lines([section.mid for section in used] if document.bundle else [])
    for section in document.sections:
        if section.index not in chosen:
            text += rejected_lines(section)
            continue
        (place, _), payload, extensions = chosen[section.index]
        name = streams[place].name
        text += [
            *media_lines(
                section.kind, section.protocol, local, [payload], mid=section.mid, direction="sendonly", setup=setup
            ),
            *(["a=rtcp-rsize"] if "rtcp-rsize" in section.attributes else []),
            *extensions.values(),
            *source_lines(tracks_by_line[section.index], name, msid_track(section.kind, name)),
        ]
    return PlayNegotiation(
        sdp=render(text),
        ice_remote=remote_ice(document, used),
        dtls=remote_dtls(document, used, role),
        extensions=ids.extensions(),
        send=send,
        agreed=tuple(
            AgreedTrack(subscription=place, group=group, codec=payload.codec, track=tracks_by_line[index].track)
            for index, ((place, group), payload, _) in chosen.items()
        ),
    )


def _require_all_kinds(
    seen: Sequence[tuple[str, Sequence[Payload]]], served: Set[str], tracks: Sequence[TrackRecord]
) -> None:
    """Raises NO_COMMON_CODEC when a kind that is wanted and there is not served at all. Sound under a black picture
    would look to the viewer like a fault of the publisher."""
    present = {track.kind for track in tracks}
    missing = [(kind, payloads) for kind, payloads in seen if kind in present and kind not in served]
    if missing or not served:
        kinds = {kind for kind, _ in missing} or present
        wanted = dict.fromkeys(in_words(track.codec, track.fmtp) for track in tracks if track.kind in kinds)
        raise no_common_codec(missing or seen, list(wanted))


def _first_playable(
    groups: dict[Group, list[TrackRecord]], kind: str, payloads: Sequence[Payload]
) -> tuple[Group, Payload] | None:
    for group, members in groups.items():
        if members[0].kind != kind:
            continue
        for track in members:
            payload = choose_for_stream(payloads, track.codec, track.clock_rate, track.fmtp)
            if payload is not None:
                return group, payload
    return None
