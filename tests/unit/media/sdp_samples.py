"""Captured descriptions and the pieces every negotiation test needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "sdp"
PUBLISHERS = sorted(path.stem for path in VECTORS.glob("*.sdp") if "publish" in path.stem or "whip" in path.stem)
PLAYERS = sorted(path.stem for path in VECTORS.glob("*-play.sdp"))

LOCAL = LocalTransport(
    ufrag="ufrag123",
    pwd="abcdefghijklmnopqrstuvwx",
    fingerprint=":".join(["AB"] * 32),
    addresses=("192.0.2.2", "2001:db8::1"),
    port=50_000,
)
H264_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
OPUS_FMTP = "minptime=10;useinbandfec=1"


def vector(name: str) -> str:
    """A captured description, line ends and all."""
    return (VECTORS / f"{name}.sdp").read_bytes().decode()


def sources() -> Callable[[], SourceId]:
    """An allocator: 1, 2, 3 …"""
    return map(SourceId, itertools.count(1)).__next__


def video(codec: str = "H264", fmtp: str = "", track: str = "v0") -> TrackRecord:
    """A video rendition of mid ``v0``."""
    if codec == "H264" and not fmtp:
        fmtp = H264_FMTP
    return TrackRecord(track=TrackId(track), mid="v0", kind=MediaKind.VIDEO, codec=codec, clock_rate=90_000, fmtp=fmtp)


def audio(fmtp: str = OPUS_FMTP) -> TrackRecord:
    """An Opus track of mid ``a0``."""
    return TrackRecord(
        track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2, fmtp=fmtp
    )


def lines(sdp: str, prefix: str) -> list[str]:
    """The lines that begin so."""
    return [line for line in sdp.splitlines() if line.startswith(prefix)]


def sections(sdp: str) -> list[str]:
    """The m-lines with what belongs to them."""
    return ["m=" + part for part in ("\r\n" + sdp).split("\r\nm=")[1:]]
