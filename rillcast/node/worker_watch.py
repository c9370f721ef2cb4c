"""Notices a media thread that hangs. One that panics says so. One that waits for ever, for a lock or in the kernel,
says nothing, and its viewers see a frozen picture."""

from __future__ import annotations

import msgspec

LOOK_S = 1.0
"""How often to look: as often as the threads send `WorkerStats`, those of an idle one within two seconds."""
STALLED_S = 3.0
"""If two looks are further apart, this process itself stood still, and nothing follows from what it did not hear."""
DOUBTFUL_S = 4.0
"""A thread that said nothing for so long gets no new sessions: the node is not ready."""
HANGS_S = 10.0
"""A thread that said nothing for so long will not come back."""


class Silence(msgspec.Struct, frozen=True):
    """A worker that says nothing, and for how long."""

    worker: int
    seconds: float

    @property
    def hangs(self) -> bool:
        """Whether it is not worth waiting any longer."""
        return self.seconds >= HANGS_S


class WorkerWatch:
    """Knows when each worker was heard last. It decides only; whoever has it looks every `LOOK_S` seconds."""

    def __init__(self, workers: int, now: float) -> None:
        self._heard = [now] * workers
        self._looked = now

    def heard(self, worker: int, now: float) -> None:
        """The figures of a worker have come."""
        self._heard[worker] = now

    def look(self, now: float) -> Silence | None:
        """The worker that has been silent for longest, if that is long enough to doubt it. After a standstill of this
        process all workers get their whole time anew: what they said may still wait to be read."""
        if now - self._looked > STALLED_S:
            self._heard = [now] * len(self._heard)
        self._looked = now
        worker = min(range(len(self._heard)), key=self._heard.__getitem__)
        silence = Silence(worker, now - self._heard[worker])
        return silence if silence.seconds >= DOUBTFUL_S else None
