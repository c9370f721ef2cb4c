"""The costly part of a job: hopeless sources, overload, queues bounded by time."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.ids import TrackId
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.adapters.thread_ladder import MAX_WAITING_S, LadderThread, LadderThreads
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Outcome
from services.transcoder.usecases.ladder_pipeline import UNDECODABLE_S, LadderPipeline
from tests.unit.transcoder.pictures import Camera, frames_of

SMALL = Rung(track=TrackId("v0.90p"), codec="H264", width=160, height=90, bitrate_bps=150_000)

SOFTWARE = EncoderChoice("ultrafast", hardware=False)


class GatedEngine(LadderEngine):
    """Works only when let."""

    def __init__(self) -> None:
        super().__init__("H264", 2.0, SOFTWARE)
        self.gate = threading.Semaphore(0)
        self.asked: list[bool] = []

    def process(self, frame: EncodedFrame, *, encode: bool) -> Outcome:
        self.gate.acquire(timeout=10)
        self.asked.append(encode)
        return super().process(frame, encode=encode)


@pytest.fixture
async def gated() -> AsyncIterator[tuple[LadderThread, GatedEngine, FakeClock]]:
    clock, engine = FakeClock(0.0), GatedEngine()
    thread = LadderThread(engine, lambda _outcome: None, clock)
    thread.set_rungs((SMALL,))
    thread.start()
    yield thread, engine, clock
    engine.gate.release(10_000)
    await thread.stop()


def frames(count: int) -> list[EncodedFrame]:
    camera = Camera()
    return frames_of("H264", [packet for _ in range(count) for packet in camera.frame()])


async def test_a_backlog_is_decoded_only_up_to_its_last_frames(
    gated: tuple[LadderThread, GatedEngine, FakeClock],
) -> None:
    thread, engine, _ = gated
    for frame in frames(40):
        assert thread.put(frame)
    engine.gate.release(40)
    await eventually(lambda: len(engine.asked) == 40 and thread.encoded + thread.left_out == 40)
    assert engine.asked[1:] == [False] * 37 + [True] * 2
    assert thread.encoded == sum(engine.asked)


async def test_frames_that_waited_too_long_are_dropped_up_to_the_next_keyframe(
    gated: tuple[LadderThread, GatedEngine, FakeClock],
) -> None:
    thread, engine, clock = gated
    first, second, third = frames(3)
    thread.put(first)
    await eventually(lambda: not thread._frames, what="the thread taking the first frame")
    assert thread.put(second)
    clock.advance(MAX_WAITING_S + 0.1)
    assert not thread.put(third)
    assert thread.overflows == 1
    assert not thread._frames
    assert thread.put(first)
    engine.gate.release(2)
    await eventually(lambda: len(engine.asked) == 2)


async def test_an_engine_that_fails_does_not_end_its_thread() -> None:
    class Broken(LadderEngine):
        calls = 0

        def process(self, frame: EncodedFrame, *, encode: bool) -> Outcome:
            Broken.calls += 1
            if Broken.calls == 1:
                raise RuntimeError("a fault of ours")
            return super().process(frame, encode=encode)

    outcomes: list[Outcome] = []
    thread = LadderThread(Broken("H264", 2.0, SOFTWARE), outcomes.append, FakeClock(0.0))
    thread.set_rungs((SMALL,))
    thread.start()
    camera = Camera()
    for frame in frames_of("H264", camera.frame() + camera.frame(keyframe=True)):
        thread.put(frame)
    await eventually(lambda: len(outcomes) == 2)
    await thread.stop()
    assert thread.counts["engine"] == 1
    assert outcomes[1].pictures == 1


async def test_a_source_without_pictures_is_found_hopeless_and_one_with_pictures_is_not() -> None:
    clock, outcomes = FakeClock(), list[Outcome]()
    work = LadderPipeline("H264", LadderThreads(SOFTWARE, 2.0, clock), outcomes.append, clock)
    work.set_rungs((SMALL,))
    try:
        camera = Camera()
        for packet in camera.frame():
            work.on_packet(packet)
        await eventually(lambda: outcomes and outcomes[-1].pictures == 1)
        clock.advance(UNDECODABLE_S + 1)
        assert not work.hopeless
        sequence = camera._packetizer._sequence
        for index in range(3):
            head = bytes([0x80, 0xE0, ((sequence + index) >> 8) & 0xFF, (sequence + index) & 0xFF])
            junk = bytes([0x65]) + bytes(range(200))
            work.on_packet(head + (900_000 + index * 3000).to_bytes(4, "big") + bytes(4) + junk)
        await eventually(lambda: outcomes[-1].undecodable)
        assert not work.hopeless
        clock.advance(UNDECODABLE_S + 1)
        assert work.hopeless
    finally:
        await work.stop()
