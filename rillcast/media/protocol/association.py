"""What one plane hands over so that another one goes on with a session's association: SRTP keys and counters.

The plane writes it (`SessionExported`) and the next one takes it (`AddSession.srtp`, `ContinueSession`). In between
Python only carries it. The keys are secret: they go to another node only sealed, and no `repr` shows them.
"""

from __future__ import annotations

import msgspec


class ShownPacket(msgspec.Struct, frozen=True, kw_only=True):
    """A packet of a source, as every plane that has the source knows it. Each numbers packets by itself, but timestamps
    and payloads are those of the publisher."""

    timestamp: int
    digest: int
    """Of the payload: FNV-1a, 64 bits."""


class SentStream(msgspec.Struct, frozen=True, kw_only=True):
    """One SSRC that the plane sends: media of a track, or its repairs (RTX)."""

    ssrc: int
    index: int
    """The index of the next packet: the ROC, and in the lower 16 bits the sequence number (RFC 3711 §3.3.1)."""
    timestamp: int = 0
    """The RTP timestamp of the last packet; of repairs it says nothing."""
    silent_us: int = 0
    """How long before the export the last packet left, in microseconds."""
    ntp: int = 0
    """A time of the publisher's clock as a 64-bit NTP timestamp; 0 while no sender report has told it."""
    ntp_timestamp: int = 0
    """The RTP timestamp that the stream has at that time: from the two, sound and picture stay together."""
    shift_us: int = 0
    """By how much what sender reports tell the viewer is later than the publisher's clock, in microseconds: the viewer
    has gone over from a publisher with another clock."""
    packets: int = 0
    """Packets and octets of payload so far, modulo 2³², as sender reports tell them."""
    octets: int = 0
    picture: int | None = None
    """VP8: the PictureID and the TL0PICIDX of the newest packet (RFC 7741 §4.2)."""
    tl0: int = 0
    shown: ShownPacket | None = None
    """What the newest packet was of its source. The next plane goes on behind it; without it, at a keyframe."""


class ReceivedStream(msgspec.Struct, frozen=True, kw_only=True):
    """One SSRC from which the plane has received."""

    ssrc: int
    index: int
    """The highest index so far: of SRTP the ROC and the sequence number, of SRTCP the index in the packet."""
    mid: str = ""
    """The m-line and the encoding to which the SSRC belongs. Both are empty if it belongs to none."""
    rid: str = ""
    rtx: bool = False
    """Whether it carries the repairs of that encoding."""
    parameter_sets: tuple[str, ...] = ()
    """The parameter sets that came with it, as NAL units in base64. The peer may never send them again."""


class SrtpState(msgspec.Struct, frozen=True, kw_only=True):
    """A connected session's SRTP: what the plane that takes it over has to know. `repr` shows no secrets."""

    profile: str
    """The protection profile: ``AEAD_AES_128_GCM``, ``AEAD_AES_256_GCM`` or ``AES_CM_128_HMAC_SHA1_80``."""
    local_key: str
    """Master key and salt of what we send, in base64, one behind the other."""
    remote_key: str
    """Master key and salt of what the peer sends, in the same form."""
    dtls: str = ""
    """The DTLS version whose handshake the keys are from, as in `SessionConnected`."""
    srtcp_sent: int = 0
    """The index of the next SRTCP packet. All SSRCs that we send have this one counter."""
    close_notify: str = ""
    """The sealed record by which the peer is told goodbye, in base64. Empty if it is to be told nothing, or if the
    session goes on where this was exported."""
    estimate_bps: int = 0
    """What the link takes: for a viewer its last REMB, for a publisher our own estimate; 0 = unknown."""
    sent: tuple[SentStream, ...] = ()
    received: tuple[ReceivedStream, ...] = ()
    """The SSRCs of the peer's SRTP."""
    reported: tuple[ReceivedStream, ...] = ()
    """The SSRCs of the peer's SRTCP; their `mid`, `rid` and `rtx` say nothing."""

    def __repr__(self) -> str:
        streams = f"{len(self.sent)} sent, {len(self.received)} received"
        return f"SrtpState(profile={self.profile!r}, {streams})"
