"""Plain RTP of the same pre-encoded media that the generator's publishers send, for servers that take RTP."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rillcast.load import media
from rillcast.load.media import Loop

Address = tuple[str, int]


class _Track:
    def __init__(self, loop: Loop, to: Address, payload_type: int, video: bool) -> None:
        self.to, self._payload_type, self._video = to, payload_type, video
        self._frames, self._length_us, self._length_ticks = loop
        self._ssrc, self._seq, self._next, self._rounds = secrets.randbits(32), secrets.randbits(15), 0, 0

    def due_s(self) -> float:
        """Since the feed began."""
        return (self._rounds * self._length_us + self._frames[self._next][0]) / 1e6

    def packets(self) -> list[bytes]:
        """Of the frame that is due; the next one is then next."""
        _, ts, payloads = self._frames[self._next]
        ts = (ts + self._rounds * self._length_ticks) & 0xFFFF_FFFF
        made = []
        for n, payload in enumerate(payloads):
            marker = 0x80 if self._video and n == len(payloads) - 1 else 0
            head = struct.pack("!BBHII", 0x80, marker | self._payload_type, self._seq, ts, self._ssrc)
            made.append(head + payload)
            self._seq = (self._seq + 1) & 0xFFFF
        self._next += 1
        if self._next == len(self._frames):
            self._next, self._rounds = 0, self._rounds + 1
        return made


@asynccontextmanager
async def rtp_feed(
    video_bps: int, video: Address, video_type: int, audio: Address, audio_type: int
) -> AsyncIterator[None]:
    """Sends until the end of the block."""
    video_loop, audio_loop = media.encode(video_bps)
    tracks = [_Track(video_loop, video, video_type, True), _Track(audio_loop, audio, audio_type, False)]
    with socket.socket(type=socket.SOCK_DGRAM) as out:
        task = asyncio.create_task(_send(out, tracks))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _send(out: socket.socket, tracks: list[_Track]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    due = [(track.due_s(), i) for i, track in enumerate(tracks)]
    heapq.heapify(due)
    while True:
        at, i = due[0]
        await asyncio.sleep(max(0.0, began + at - loop.time()))
        for packet in tracks[i].packets():
            out.sendto(packet, tracks[i].to)
        heapq.heapreplace(due, (tracks[i].due_s(), i))
