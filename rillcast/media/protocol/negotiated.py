"""What a negotiation by SDP has settled, as commands carry it to the plane."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rillcast.contracts.words import MediaKind
from rillcast.media.protocol.ids import SourceId


class IceParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The ICE user fragments and passwords of both sides (RFC 8445 §5.3). Ours is always the ICE-lite side, but
    one that asks an address back before it sends there."""

    local_ufrag: str
    local_pwd: str
    remote_ufrag: str
    remote_pwd: str


class DtlsRole(StrEnum):
    """Who begins the DTLS handshake (RFC 5763 §5): the client, which is ``a=setup:active``."""

    SERVER = "server"
    CLIENT = "client"


class DtlsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Our role in the DTLS handshake, and the fingerprint that the peer's certificate must have (RFC 8122)."""

    role: DtlsRole
    """The role that we take in the handshake."""
    fingerprint_hash: str
    """The hash function of the fingerprint: ``sha-256`` or another one of RFC 8122."""
    fingerprint: str
    """The fingerprint of the peer's certificate, as ``AA:BB:…``."""
    close_notify: bool = True
    """Whether the peer is told of the session's end by close_notify. Otherwise it hears nothing any more."""


class HeaderExtensions(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of RTP header extensions that were negotiated; 0 = it was not."""

    mid: int = 0
    rid: int = 0
    repaired_rid: int = 0
    abs_send_time: int = 0
    audio_level: int = 0
    video_orientation: int = 0
    dependency_descriptor: int = 0


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """One encoding that a publisher sends on an m-line, and the source that it becomes; with its RID if it is
    simulcast."""

    source: SourceId
    rid: str = ""


class RecvTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of a publisher: what arrives, and the sources that it becomes."""

    mid: str
    kind: MediaKind
    codec: str
    """``H264``, ``H265``, ``VP8``, ``VP9``, ``AV1``, ``opus`` or another RTP encoding name."""
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    encodings: tuple[Encoding, ...]
    ssrcs: tuple[int, ...] = ()
    """The SSRCs that stand in ``a=ssrc``, if there are any. The first is the primary one."""
    rtx_ssrcs: tuple[int, ...] = ()
    parameter_sets: tuple[str, ...] = ()
    """The parameter sets that the SDP tells, as NAL units in base64 (``sprop-parameter-sets``, RFC 6184 §8.1). They are
    sent to viewers with each keyframe that comes without its own."""
    nack: bool = True
    pli: bool = True
    remb: bool = True


class SendTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One m-line of a viewer: how its packets are labelled, and the source that they come from at first."""

    track: int
    """The number of the track, unique in its session."""
    kind: MediaKind
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    ssrc: int
    rtx_ssrc: int = 0
    cname: str
    source: SourceId | None = None
