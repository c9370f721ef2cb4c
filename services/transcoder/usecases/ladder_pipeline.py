"""The part of a job that costs something, alive while somebody watches a rung: reception, the codecs' thread, and the
watch over both."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from rillcast.contracts.ids import TrackId
from services.transcoder import metrics
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine, Outcome
from services.transcoder.adapters.thread_ladder import LadderThread
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.ladder import Rung
from services.transcoder.domain.overuse_detector import OveruseDetector, Verdict
from services.transcoder.ports import Clock

UNDECODABLE_S = 15.0
"""A source from which no picture came for so long, although its frames do, is hopeless."""

STUCK_S = 1.0
"""Some decoders swallow what they can't use without a word; after so long without a picture a keyframe is asked for."""


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """How rungs are made."""

    gop_s: float
    encoders: EncoderChoice


class Finding(StrEnum):
    """How the work goes."""

    WELL = "well"
    DROP_TOP = "drop_top"
    """Too much for this machine: do without the top rung."""
    GIVE_UP = "give_up"
    """Even one rung is too much: let another node make it if there is one."""
    HOPELESS = "hopeless"
    """The source can't be decoded."""


class LadderPipeline:
    """From its creation to `stop`. Runs on the event loop but for the thread it owns."""

    def __init__(self, codec: str, encoding: Encoding, deliver: Callable[[Outcome], None], clock: Clock) -> None:
        self._codec = codec
        self._deliver_on = deliver
        self._clock = clock
        self._depacketizer = Depacketizer(codec)
        self._thread = LadderThread(LadderEngine(codec, encoding.gop_s, encoding.encoders), self._deliver, clock)
        self._guard = OveruseDetector(clock())
        self._no_picture_since: float | None = None
        self._counted: dict[str, int] = {}
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        """CPU time used so far."""
        return self._thread.cpu_s

    def set_rungs(self, rungs: tuple[Rung, ...]) -> None:
        """Encode these."""
        self._thread.set_rungs(rungs)

    def rung_added(self) -> None:
        """What it costs is seen only after a while."""
        self._guard.disturbed(self._clock())

    def want_keyframe(self, track: TrackId) -> None:
        """Make the rung's next picture a keyframe."""
        self._thread.want_keyframe(track)

    def feed_replaced(self) -> None:
        """Packets come from another parent now, with sequence numbers of their own."""
        self._count()
        self._depacketizer = Depacketizer(self._codec)
        self._counted.update({"malformed": 0, "frames lost": 0})

    def on_packet(self, data: bytes) -> bool:
        """Take a packet of the source. True when a keyframe is needed from it."""
        wanted = False
        for frame in self._depacketizer.add(data, self._clock()):
            wanted = not self._thread.put(frame) or wanted
        return wanted or self._depacketizer.wants_keyframe

    def judge(self, rungs: int) -> Finding:
        """Look after it. Call about once a second with the number of rungs."""
        now = self._clock()
        encoded, left_out = self._count()
        if self._no_picture_since is not None and now - self._no_picture_since > UNDECODABLE_S:
            return Finding.HOPELESS
        match self._guard.observe(encoded, left_out, rungs, now):
            case Verdict.DROP_TOP:
                return Finding.DROP_TOP
            case Verdict.GIVE_UP:
                return Finding.GIVE_UP
            case _:
                return Finding.WELL

    async def stop(self) -> None:
        """End; returns when the thread has."""
        self._count()
        await self._thread.stop()

    def _deliver(self, outcome: Outcome) -> None:
        if outcome.size is not None:
            self._no_picture_since = None
        elif self._no_picture_since is None:
            self._no_picture_since = self._clock()
        elif self._clock() - self._no_picture_since > STUCK_S:
            outcome.undecodable = True
        self._deliver_on(outcome)

    def _count(self) -> tuple[int, int]:
        """Move what happened since the last call into the metrics; frames encoded and left out meanwhile."""
        thread, depacketizer = self._thread, self._depacketizer
        for kind, total in {
            **thread.counts,
            "overflow": thread.overflows,
            "malformed": depacketizer.malformed,
        }.items():
            metrics.ERRORS.labels(kind).inc(self._since(kind, total))
        moved = {
            fate: self._since(f"frames {fate}", total)
            for fate, total in (
                ("encoded", thread.encoded),
                ("left_out", thread.left_out),
                ("lost", depacketizer.losses),
            )
        }
        for fate, count in moved.items():
            metrics.FRAMES.labels(fate).inc(count)
        return moved["encoded"], moved["left_out"]

    def _since(self, name: str, total: int) -> int:
        before = self._counted.get(name, 0)
        self._counted[name] = total
        return max(0, total - before)
