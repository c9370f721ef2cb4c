"""aiortc as publisher and viewer by WHIP and WHEP, told which addresses it has and which SRTP profiles it offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import aioice.ice
import aiortc.rtcdtlstransport as dtls
import av
import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from rillcast.testing.eventually import within
from rillcast.testing.pictures import MovingPicture
from tests.e2e.cluster import CONDITION_TIMEOUT_S

AES_CM = "SRTP_AES128_CM_SHA1_80"
"""OpenSSL's name of AES_CM_128_HMAC_SHA1_80 (RFC 5764 §4.1.2)."""


class Peer:
    """One peer connection."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self.refused = 0
        """How often it was told that it may not."""

    async def publish(self, url: str) -> None:
        """WHIP, VP8 and Opus."""
        self._bring_media()
        await self._post(url)

    async def insist(self, url: str) -> None:
        """The same by somebody who asks again and again, without a pause, until it is let in."""
        self._bring_media()
        await self._post(url, at_last=True)

    async def watch(self, url: str) -> None:
        """WHEP."""
        for kind in ("video", "audio"):
            self._pc.addTransceiver(kind, "recvonly")
        await self._post(url)

    async def until_watching(self) -> None:
        """Decodes until the picture has moved; sound must have come as well."""
        video, audio = (
            next(t.receiver.track for t in self._pc.getTransceivers() if t.kind == kind) for kind in ("video", "audio")
        )
        async with within(CONDITION_TIMEOUT_S, "picture and sound"):
            await audio.recv()
            frames = [await video.recv() for _ in range(20)]
        greys = {round(float(f.to_ndarray(format="gray").mean())) for f in frames if isinstance(f, av.VideoFrame)}
        assert len(greys) > 2

    @property
    def remote_address(self) -> str:
        """Of the pair that ICE chose."""
        transport = self._pc.getTransceivers()[0].receiver.transport.transport
        pair = transport._connection._nominated[1]
        return str(pair.remote_candidate.host)

    @property
    def srtp_profile(self) -> str:
        """As negotiated."""
        connection = self._pc.getTransceivers()[0].receiver.transport._ssl
        assert connection is not None
        return connection.get_selected_srtp_profile().decode()

    def _bring_media(self) -> None:
        self._pc.addTrack(MovingPicture())
        self._pc.addTrack(AudioStreamTrack())

    async def _post(self, url: str, *, at_last: bool = False) -> None:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer, headers = self._pc.localDescription.sdp, {"Content-Type": "application/sdp"}
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
            answer = await http.post(url, content=offer, headers=headers)
            while at_last and answer.status_code != 201:
                self.refused += 1
                answer = await http.post(url, content=offer, headers=headers)
        assert answer.status_code == 201, answer.text
        await self._pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """Closed at the end of the block."""
    pc = RTCPeerConnection()
    try:
        yield Peer(pc)
    finally:
        await pc.close()


@contextmanager
def having_only(addresses: Sequence[str]) -> Iterator[None]:
    """Peers that gather candidates in the block have these addresses; aioice leaves loopback out."""
    before = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: list(addresses)
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = before


@contextmanager
def offering_only(profile: str) -> Iterator[None]:
    """Peers made in the block offer no other SRTP profile."""
    before = dtls.SRTP_PROFILES
    dtls.SRTP_PROFILES = [known for known in before if known.openssl_profile == profile.encode()]
    assert dtls.SRTP_PROFILES
    try:
        yield
    finally:
        dtls.SRTP_PROFILES = before
