"""What we send to a viewer: tracks, SSRCs and the lines that describe them, whoever made the offer."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence

import msgspec

from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import DtlsParameters, HeaderExtensions, SendTrack
from rillcast.media.sdp.codecs import Payload
from rillcast.media.sdp.document import is_token
from rillcast.media.sdp.transport import IceCredentials


class SentStream(msgspec.Struct, frozen=True):
    """A stream that a viewer is to get, or a part of it."""

    name: str
    """Stands in the msid."""
    tracks: Sequence[TrackRecord]


class AgreedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line that a viewer and this node have agreed on."""

    subscription: int
    """Whose it is: the place of its stream in what was offered."""
    group: str
    """The `TrackRecord.mid` of the renditions that it carries. Two streams may have the same."""
    codec: str
    """Only renditions in this codec can be sent."""
    track: int
    """The number `SendTrack.track`."""


class PlayNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer and this node have agreed on."""

    sdp: str | None
    """Our answer; None when it was the client that answered."""
    ice_remote: IceCredentials
    dtls: DtlsParameters
    extensions: HeaderExtensions
    send: tuple[SendTrack, ...]
    """The tracks to send. They have no sources yet: those come with the relays."""
    agreed: tuple[AgreedTrack, ...]
    """What each of them carries, in the order of the m-lines."""

    def of(self, subscription: int) -> tuple[AgreedTrack, ...]:
        """The tracks of one stream."""
        return tuple(track for track in self.agreed if track.subscription == subscription)

    def codecs(self, subscription: int) -> dict[str, str]:
        """The codec for each `TrackRecord.mid` of one stream."""
        return {track.group: track.codec for track in self.of(subscription)}


def by_mid(tracks: Sequence[TrackRecord]) -> dict[str, list[TrackRecord]]:
    """The renditions of each track by its mid, in the order in which they appear."""
    groups: dict[str, list[TrackRecord]] = {}
    for track in tracks:
        groups.setdefault(track.mid, []).append(track)
    return groups


def send_tracks(lines: Sequence[tuple[str, Payload]]) -> tuple[SendTrack, ...]:
    """A track with new SSRCs for each (kind, payload). All have one CNAME, so that audio and video stay in
    step."""
    cname = secrets.token_hex(8)
    pairs = iter(_new_ssrcs(2 * len(lines)))
    return tuple(
        with_payload(
            SendTrack(
                track=index,
                kind=MediaKind(kind),
                clock_rate=payload.clock_rate,
                payload_type=payload.payload_type,
                ssrc=next(pairs),
                rtx_ssrc=next(pairs),
                cname=cname,
            ),
            payload,
        )
        for index, (kind, payload) in enumerate(lines)
    )


def _new_ssrcs(count: int) -> set[int]:
    """Random ones, none of them 0. The system is asked once for all, and again in the rare case that two are equal."""
    ssrcs: set[int] = set()
    while len(ssrcs) < count:
        ssrcs = set(struct.unpack(f"{count}I", secrets.token_bytes(4 * count))) - {0}
    return ssrcs


def with_payload(track: SendTrack, payload: Payload) -> SendTrack:
    """`track` with the formats that were agreed on. If RTX is not among them, it loses its SSRC for RTX."""
    rtx = payload.rtx_payload_type
    return msgspec.structs.replace(
        track,
        clock_rate=payload.clock_rate,
        payload_type=payload.payload_type,
        rtx_payload_type=rtx,
        rtx_ssrc=track.rtx_ssrc if rtx else 0,
    )


def msid_track(kind: str, label: str) -> str:
    """The track id that Ant Media's clients expect: a prefix of 7 characters, which they cut off, and the label."""
    return f"ARDAMS{'v' if kind == MediaKind.VIDEO else 'a'}{label}"


def source_lines(track: SendTrack, stream: str, track_id: str) -> list[str]:
    """The lines ``msid``, ``ssrc-group`` and ``ssrc``. Raises ValueError for names that cannot stand there."""
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
