"""`ports.Codecs` by a thread: runs one `LadderEngine` behind a queue bounded by time.

Every method but the thread's own is called on the event loop; results come back there through `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from rillcast.contracts.ids import TrackId
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.frame_dropper import FrameDropper
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Clock, Outcome

log = get_logger(__name__)

MAX_WAITING_S = 1.0
"""When the first frame of the queue has waited so long, the queue is emptied. The next keyframe goes on."""
MAX_WAITING_FRAMES = 600


class LadderThread:
    """The thread of one job, from `start` to `stop`. See `ports.Codecs`."""

    def __init__(self, engine: LadderEngine, deliver: Callable[[Outcome], None], clock: Clock = time.monotonic) -> None:
        """`deliver` is called on the loop that is running now. `clock` is the one `EncodedFrame.arrived_at` comes
        from."""
        self._engine = engine
        self._deliver = deliver
        self._clock = clock
        self._backlog = FrameDropper(clock)
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._frames: deque[EncodedFrame] = deque()
        self._rungs: tuple[Rung, ...] | None = None
        self._keyframes: set[TrackId] = set()
        self._stopping = False
        self._skip_to_keyframe = False
        self._thread = threading.Thread(target=self._work, name="ladder", daemon=True)
        self.encoded = 0
        """See `Codecs.encoded`."""
        self.left_out = 0
        """See `Codecs.left_out`."""
        self.overflows = 0
        self.cpu_s = 0.0
        """See `Codecs.cpu_s`."""

    def start(self) -> None:
        """Start the thread. Call this once, on the event loop."""
        self._thread.start()

    async def stop(self, timeout_s: float = 5.0) -> None:
        """End; returns when the thread has, or after `timeout_s` at the latest. Nothing is delivered from now on.

        A codec that never returns can't be ended from outside. Its thread is told of and counted; it ends with the
        process.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, timeout_s)
        if self._thread.is_alive():
            metrics.ERRORS.labels("stuck").inc()
            log.error("A codec's thread outlives its job", waited_s=timeout_s)

    @property
    def counts(self) -> Counter[str]:
        """See `Codecs.counts`."""
        return self._engine.counts

    def put(self, frame: EncodedFrame) -> bool:
        """See `Codecs.put`."""
        with self._changed:
            late = self._frames and self._clock() - self._frames[0].arrived_at > MAX_WAITING_S
            if late or len(self._frames) >= MAX_WAITING_FRAMES:
                self.overflows += 1
                self.left_out += len(self._frames)
                self._frames.clear()
                self._skip_to_keyframe = True
            if self._skip_to_keyframe and not frame.keyframe:
                self.left_out += 1
                return False
            self._skip_to_keyframe = False
            self._frames.append(frame)
            self._changed.notify()
            return True

    def set_rungs(self, rungs: tuple[Rung, ...]) -> None:
        """See `Codecs.set_rungs`."""
        with self._changed:
            self._rungs = rungs
            self._changed.notify()

    def want_keyframe(self, track: TrackId) -> None:
        """See `Codecs.want_keyframe`."""
        with self._changed:
            self._keyframes.add(track)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._frames)
                if self._stopping:
                    return
                frame = self._frames.popleft()
                metrics.QUEUE.observe(max(0.0, self._clock() - frame.arrived_at))
                encode = self._backlog.encode(len(self._frames))
                rungs, self._rungs = self._rungs, None
                keyframes, self._keyframes = self._keyframes, set()
            if rungs is not None:
                self._engine.set_rungs(rungs)
            for track in keyframes:
                self._engine.want_keyframe(track)
            self._process(frame, encode)

    def _process(self, frame: EncodedFrame, encode: bool) -> None:
        try:
            outcome = self._engine.process(frame, encode=encode)
        except Exception:
            log.exception("A ladder's engine failed")
            outcome = Outcome(undecodable=True)
            self._engine.counts["engine"] += 1
        if encode:
            self.encoded += outcome.pictures
        else:
            self.left_out += 1
        self.cpu_s = time.thread_time()
        try:
            self._loop.call_soon_threadsafe(self._arrived, outcome)
        except RuntimeError:
            self._stopping = True  # the loop is closed: the process ends

    def _arrived(self, outcome: Outcome) -> None:
        """On the event loop."""
        if not self._stopping:
            self._deliver(outcome)


class LadderThreads:
    """`ports.StartCodecs`: a thread for each job that is at work."""

    def __init__(self, encoders: EncoderChoice, gop_s: float, clock: Clock = time.monotonic) -> None:
        self._encoders = encoders
        self._gop_s = gop_s
        self._clock = clock

    def __call__(self, codec: str, deliver: Callable[[Outcome], None]) -> LadderThread:
        """A thread for one job, which runs already."""
        thread = LadderThread(LadderEngine(codec, self._gop_s, self._encoders), deliver, self._clock)
        thread.start()
        return thread
