"""The part of a ladder that costs something, alive while somebody watches a rung: from the source's packets to the
codecs, and the watch over both."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import TrackId
from services.transcoder import metrics
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Clock, Outcome, StartCodecs

UNDECODABLE_S = 15.0
"""A source is hopeless when its frames arrived for so long, but no picture could be decoded."""

STUCK_S = 1.0
"""Some decoders swallow what they can't use without a word. A keyframe is asked for after so long without a picture."""


class LadderPipeline:
    """From its creation to `stop`, on the event loop. The codecs run elsewhere."""

    def __init__(self, codec: str, start: StartCodecs, deliver: Callable[[Outcome], None], clock: Clock) -> None:
        """`codec` is the source's; `deliver` hears of every outcome."""
        self._codec = codec
        self._deliver_on = deliver
        self._clock = clock
        self._depacketizer = Depacketizer(codec)
        self._codecs = start(codec, self._deliver)
        self._no_picture_since: float | None = None
        self._counted: dict[str, int] = {}

    @property
    def cpu_s(self) -> float:
        """CPU time that the codecs have used so far."""
        return self._codecs.cpu_s

    @property
    def hopeless(self) -> bool:
        """Whether the source's frames come, but no picture has come of them for `UNDECODABLE_S`."""
        return self._no_picture_since is not None and self._clock() - self._no_picture_since > UNDECODABLE_S

    def set_rungs(self, rungs: tuple[Rung, ...]) -> None:
        """Encode these rungs from the next picture on."""
        self._codecs.set_rungs(rungs)

    def want_keyframe(self, track: TrackId) -> None:
        """Make the rung's next picture a keyframe."""
        self._codecs.want_keyframe(track)

    def feed_replaced(self) -> None:
        """Packets come from another parent now, with sequence numbers of their own."""
        self._count_received()
        self._depacketizer = Depacketizer(self._codec)
        self._counted.update({"malformed": 0, "lost": 0})

    def on_packet(self, data: bytes) -> bool:
        """Take a packet of the source. True when a keyframe is needed from it."""
        wanted = False
        for frame in self._depacketizer.add(data, self._clock()):
            wanted = not self._codecs.put(frame) or wanted
        return wanted or self._depacketizer.wants_keyframe

    def progress(self) -> tuple[int, int]:
        """Frames encoded and left out since the last call. Call about once a second: the metrics follow from it."""
        self._count_received()
        for kind, total in {**self._codecs.counts, "overflow": self._codecs.overflows}.items():
            metrics.ERRORS.labels(kind).inc(self._since(kind, total))
        encoded = self._since("encoded", self._codecs.encoded)
        left_out = self._since("left_out", self._codecs.left_out)
        metrics.FRAMES.labels("encoded").inc(encoded)
        metrics.FRAMES.labels("left_out").inc(left_out)
        return encoded, left_out

    async def stop(self) -> None:
        """End the pipeline. Returns when the codecs have ended. Call once."""
        self.progress()
        await self._codecs.stop()

    def _deliver(self, outcome: Outcome) -> None:
        if outcome.size is not None:
            self._no_picture_since = None
        elif self._no_picture_since is None:
            self._no_picture_since = self._clock()
        elif self._clock() - self._no_picture_since > STUCK_S:
            outcome.undecodable = True
        self._deliver_on(outcome)

    def _count_received(self) -> None:
        metrics.ERRORS.labels("malformed").inc(self._since("malformed", self._depacketizer.malformed))
        metrics.FRAMES.labels("lost").inc(self._since("lost", self._depacketizer.losses))

    def _since(self, name: str, total: int) -> int:
        before = self._counted.get(name, 0)
        self._counted[name] = total
        return max(0, total - before)
