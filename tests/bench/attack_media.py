"""The attacks of `tests.bench.attacks` on the media of an edge: checks that name somebody else, and floods of NACKs."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
import psutil
from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCSessionDescription

from rillcast.testing.eventually import eventually
from tests.bench.machine import ROOT
from tests.integration.test_validated_paths import nomination

AIMED_S, EVERY_S = 30.0, 10.0
"""How long media is aimed at somebody, and how often a check repeats it."""
HANDSHAKE_S = 12.0
"""Longer than a session may take to connect."""
NACKS_S, NACKS_PER_S, NACKED = 8.0, 2_000, 289
OFFER = (ROOT / "tests/vectors/sdp/chromium-156-play.sdp").read_text()


@dataclass(frozen=True)
class Way:
    """What a client has agreed on with an edge about its path."""

    username: str
    password: str
    address: tuple[str, int]
    ssrc: int
    """Of the picture."""

    @classmethod
    def of(cls, offer: str, answer: str) -> Way:
        ours, theirs = (re.findall(r"a=ice-ufrag:(\S+)", sdp)[0] for sdp in (answer, offer))
        password = re.findall(r"a=ice-pwd:(\S+)", answer)[0]
        host, port = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d+\.\S+) (\d+) typ host", answer, re.I)[0]
        ssrc = int(re.findall(r"m=video.*?a=ssrc:(\d+)", answer, re.S)[0])
        return cls(f"{ours}:{theirs}", password, (host, int(port)), ssrc)

    def check(self) -> bytes:
        return nomination(self.username, self.password)


class Victim:
    """An address that never sent a byte of its own: checks are sent in its name, and what it gets is counted."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.came = self.went = self.datagrams = 0

    async def aimed_at(self, way: Way, seconds: float) -> None:
        until, check = time.monotonic() + seconds, way.check()
        while time.monotonic() < until:
            self.came += self._socket.sendto(check, way.address)
            again = min(until, time.monotonic() + EVERY_S)
            while time.monotonic() < again:
                await asyncio.sleep(0.05)
                self._gather()
        self._socket.close()

    @property
    def said(self) -> str:
        return (
            f"{self.came} bytes in its name, {self.went} bytes in {self.datagrams} datagrams to it:"
            f" × {self.went / self.came:.1f}"
        )

    def _gather(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self.went += len(self._socket.recv(65_536))
                self.datagrams += 1


async def _post(url: str, offer: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.post(url, content=offer, headers={"Content-Type": "application/sdp"})
    assert answer.status_code == 201, answer.text
    return answer.text


@asynccontextmanager
async def viewer(url: str) -> AsyncIterator[tuple[RTCPeerConnection, Way]]:
    """Somebody who watches, until the end of the block."""
    pc = RTCPeerConnection()
    try:
        for kind in ("video", "audio"):
            pc.addTransceiver(kind, "recvonly")
        await pc.setLocalDescription(await pc.createOffer())
        offer = pc.localDescription.sdp
        answer = await _post(url, offer)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await eventually(lambda: pc.connectionState == "connected", 30, "the viewer is connected")
        yield pc, Way.of(offer, answer)
    finally:
        await pc.close()


async def _nothing(packet: object) -> None:
    """In place of what sends RTCP."""


async def aimed_media(url: str) -> str:
    """A viewer that has never reported nominates the address of somebody else."""
    victim = Victim()
    async with viewer(url) as (pc, way):
        for receiver in pc.getReceivers():
            vars(receiver)["_send_rtcp"] = _nothing
        await victim.aimed_at(way, AIMED_S)
    return victim.said


async def aimed_handshakes(url: str) -> str:
    """Sessions whose client is somewhere else: in one we begin the handshake, in the other the client does."""
    said = await asyncio.gather(*(_aimed_handshake(url, setup) for setup in ("passive", "active")))
    return "begun by us: {}; by the client: {}".format(*said)


async def _aimed_handshake(url: str, setup: str) -> str:
    victim, offer = Victim(), OFFER.replace("a=setup:actpass", f"a=setup:{setup}")
    assert offer != OFFER
    await victim.aimed_at(Way.of(offer, await _post(url, offer)), HANDSHAKE_S)
    return victim.said


async def nacks(url: str, edge: psutil.Process) -> str:
    """What a viewer costs that asks for whatever was not sent, 2,000 times a second, beside what it costs else."""
    async with viewer(url) as (pc, way):
        await asyncio.sleep(2.0)
        quiet, _ = await _share(edge)
        asking = Asking(pc.getReceivers()[0].transport, way.ssrc)
        task = asyncio.create_task(asking.run())
        flooded, seconds = await _share(edge)
        rate, mbps = asking.packets / seconds, asking.bytes * 8e-6 / seconds
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return f"{rate:.0f} reports a second, {mbps:.1f} Mbit/s: {flooded:.1f} % of a core instead of {quiet:.1f} %"


class Asking:
    """A flood of generic NACKs (RFC 4585 §6.2.1), each for 289 × 17 packets."""

    def __init__(self, transport: RTCDtlsTransport, ssrc: int) -> None:
        self.packets = self.bytes = 0
        self._transport = transport
        self._ssrc = ssrc

    async def run(self) -> None:
        """Until it is cancelled."""
        began = time.monotonic()
        while True:
            while self.packets < (time.monotonic() - began) * NACKS_PER_S:
                wanted = b"".join(
                    struct.pack("!HH", (self.packets * 31 + 17 * n) & 0xFFFF, 0xFFFF) for n in range(NACKED)
                )
                nack = struct.pack("!BBHII", 0x81, 205, 2 + NACKED, 1, self._ssrc) + wanted
                await self._transport._send_rtp(nack)
                self.packets += 1
                self.bytes += len(nack)
            await asyncio.sleep(0.005)


async def _share(process: psutil.Process) -> tuple[float, float]:
    """Of a core, in per cent, and in how many seconds."""
    began, before = time.monotonic(), sum(process.cpu_times()[:2])
    await asyncio.sleep(NACKS_S)
    seconds = time.monotonic() - began
    return 100 * (sum(process.cpu_times()[:2]) - before) / seconds, seconds
