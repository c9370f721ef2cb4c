"""A WebRTC peer that sends and receives RTP packets as they are: for codecs that aiortc does not know."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPacket, RtcpPsfbPacket
from aiortc.sdp import SessionDescription

PAYLOAD_TYPE = 0x7F
"""Of the second byte of a packet."""


class RtpPeer:
    """One peer connection, which is the DTLS client. Close it in the end."""

    def __init__(self) -> None:
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(self._gatherer)
        self._ice._connection.ice_controlling = True
        self._dtls = _Packets(self._ice, [RTCCertificate.generateCertificate()])

    async def offer(self, text: str) -> str:
        """The offer of any client, with the ICE credentials and the fingerprint of this one. It has no candidates: we
        speak first, and the other side is ICE-lite."""
        await self._gatherer.gather()
        ice = self._gatherer.getLocalParameters()
        (fingerprint,) = (f for f in self._dtls.getLocalParameters().fingerprints if f.algorithm == "sha-256")
        lines = {
            "ice-ufrag": ice.usernameFragment,
            "ice-pwd": ice.password,
            "fingerprint": f"sha-256 {fingerprint.value}",
        }
        return re.sub(
            r"(?m)^a=(ice-ufrag|ice-pwd|fingerprint):[^\r\n]*", lambda match: f"a={match[1]}:{lines[match[1]]}", text
        )

    async def connect(self, answer: str) -> None:
        """Take the answer, connect, and shake hands. AssertionError when that comes to nothing."""
        media = next(media for media in SessionDescription.parse(answer).media if media.port)
        assert media.ice is not None and media.dtls is not None
        for candidate in media.ice_candidates:
            await self._ice.addRemoteCandidate(candidate)
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(media.ice)
        self._dtls._set_role("client")
        await self._dtls.start(media.dtls)
        assert self._dtls._state is State.CONNECTED, self._dtls.state

    async def send(self, packet: bytes) -> None:
        """Send an RTP packet."""
        await self._dtls._send_rtp(packet)

    @asynccontextmanager
    async def filming(self, frame: Callable[[bool], list[bytes]], every_s: float) -> AsyncIterator[None]:
        """Send the packets of one frame after the other until the end of the block. `frame` is told whether a keyframe
        was asked for."""

        async def film() -> None:
            while True:
                wanted, self._dtls.keyframe_wanted = self._dtls.keyframe_wanted, False
                for packet in frame(wanted):
                    await self.send(packet)
                await asyncio.sleep(every_s)

        filming = asyncio.create_task(film())
        try:
            yield
            assert not filming.done(), filming
        finally:
            filming.cancel()
            with suppress(asyncio.CancelledError):
                await filming

    def received(self, payload_type: int) -> Sequence[bytes]:
        """The packets that have come so far, as they came."""
        return [packet for packet in self._dtls.received if packet[1] & PAYLOAD_TYPE == payload_type]

    async def close(self) -> None:
        """Close the DTLS association, and give the sockets back."""
        await self._dtls.stop()
        await self._ice.stop()


class _Packets(RTCDtlsTransport):
    """Keeps what comes, instead of giving it to receivers."""

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates)
        self.received: list[bytes] = []
        self.keyframe_wanted = False

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self.received.append(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        for packet in RtcpPacket.parse(data):
            if isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
                self.keyframe_wanted = True
