"""The codecs' thread: a queue bounded by time, faults survived, an end that is bounded."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.ids import TrackId
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from services.transcoder.adapters import thread_ladder
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.adapters.thread_ladder import MAX_WAITING_S, LadderThread
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Outcome
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


async def test_a_thread_that_outlives_its_job_is_told_of_and_heard_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate, entered = threading.Event(), threading.Event()

    class Stuck(LadderEngine):
        def process(self, frame: EncodedFrame, *, encode: bool) -> Outcome:
            entered.set()
            gate.wait(30)
            return super().process(frame, encode=encode)

    outcomes: list[Outcome] = []
    thread = LadderThread(Stuck("H264", 2.0, SOFTWARE), outcomes.append)
    thread.start()
    (frame,) = frames_of("H264", Camera().frame())
    thread.put(frame)
    await eventually(entered.is_set)
    before = stuck_threads()
    with caplog.at_level(logging.ERROR, thread_ladder.__name__):
        await thread.stop(timeout_s=0.01)
    assert "outlives" in caplog.text
    assert stuck_threads() == before + 1
    gate.set()
    await asyncio.to_thread(thread._thread.join, 10)
    await asyncio.sleep(0)
    assert outcomes == []


def stuck_threads() -> float:
    return REGISTRY.get_sample_value("rillcast_transcoder_errors_total", {"kind": "stuck"}) or 0.0
