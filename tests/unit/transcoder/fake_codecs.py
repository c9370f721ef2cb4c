"""`ports.Codecs` that take no time: every frame of the source becomes a picture of every rung, without any picture in
it. Their packets are H.264 in RTP, so that `pictures.frames_of` reads them."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable

from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.ladder import Rung
from services.transcoder.domain.picture_words import Made
from services.transcoder.ports import Outcome, Produced

IDR, SLICE = b"\x65", b"\x41"
"""NAL unit headers: a keyframe's, and another picture's."""
PICTURE_CPU_S = 0.002
HEADER = struct.Struct("!BBHII")


class FakeCodecs:
    """Of one job. Too slow for rungs of the height `FakeMachine.too_slow_from` and more: makes one picture of four."""

    def __init__(self, machine: FakeMachine, deliver: Callable[[Outcome], None]) -> None:
        self._machine = machine
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._rungs: tuple[Rung, ...] = ()
        self._sequences: Counter[str] = Counter()
        self._frames = 0
        self._wanted: set[str] = set()
        self._stopped = False
        self.encoded = self.left_out = self.overflows = 0
        self.cpu_s = 0.0
        self.counts: Counter[str] = Counter()

    def put(self, frame: EncodedFrame) -> bool:
        self._frames += 1
        slow = any(rung.height >= self._machine.too_slow_from for rung in self._rungs)
        if slow and self._frames % 4:
            self.left_out += 1
            return True
        self.encoded += 1
        self.cpu_s += PICTURE_CPU_S * len(self._rungs)
        self._loop.call_soon(self._finish, frame)
        return True

    def set_rungs(self, rungs: tuple[Rung, ...]) -> None:
        self._wanted |= {rung.track for rung in rungs} - {rung.track for rung in self._rungs}
        self._rungs = rungs

    def want_keyframe(self, track: str) -> None:
        self._wanted.add(track)

    async def stop(self) -> None:
        self._stopped = True

    def _finish(self, frame: EncodedFrame) -> None:
        if not self._stopped:
            produced = [Produced(rung.track, [self._packet(rung, frame.rtp_ts)]) for rung in self._rungs]
            self._deliver(Outcome(produced=produced, pictures=1, size=self._machine.size))

    def _packet(self, rung: Rung, rtp_ts: int) -> bytes:
        kind = IDR if rung.track in self._wanted else SLICE
        self._wanted.discard(rung.track)
        self._sequences[rung.track] += 1
        return HEADER.pack(0x80, 0xE0, self._sequences[rung.track] & 0xFFFF, rtp_ts, 0) + kind + bytes(20)


class FakeMachine:
    """`ports.StartCodecs` of the nodes of one test."""

    def __init__(self) -> None:
        self.too_slow_from = 100_000
        """Rungs of this height and more are too much."""
        self.size: tuple[int, int] | None = (640, 360)
        """What the decoder sees; None for a source that it can't decode."""

    def __call__(self, codec: str, deliver: Callable[[Outcome], None]) -> FakeCodecs:
        return FakeCodecs(self, deliver)


class FakePictures:
    """`ports.Pictures` that take no time: all keyframes give the same one."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.made = Made(b"jpeg", 320, 180)

    async def make(self, codec: str, keyframe: bytes) -> Made:
        self.asked.append(codec)
        return self.made
