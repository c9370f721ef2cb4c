"""A transcoder that is emptied: other transcoders take its jobs, and it goes on until nobody takes anything from it."""

from __future__ import annotations

from collections.abc import Iterable

from rillcast.relay.parent import RelayParent
from rillcast.runtime.process.departure import Departure, Left, Load
from services.transcoder.usecases.media_jobs import MediaJobs
from services.transcoder.usecases.running_jobs import RunningJobs


class Leaving:
    """Empties a transcoder. It is a `Leaves`."""

    def __init__(self, jobs: MediaJobs, running: RunningJobs, relays: RelayParent) -> None:
        self._jobs = jobs
        self._running = running
        self._relays = relays

    async def leave(self, departure: Departure) -> None:
        """See `Leaves.leave`."""
        await self._jobs.drain()

    def left(self) -> Left:
        """See `Leaves.left`."""
        return {Load.JOBS: len(self._running), Load.RELAYS: len(self._relays)}

    def named(self) -> Iterable[tuple[Load, str]]:
        """See `Leaves.named`. Who takes something of a job is harmed with it."""
        return ((Load.JOBS, f"{job.job_id[1]} of {job.job_id[0]}"[:256]) for job in self._running)

    async def cut(self) -> None:
        """See `Leaves.cut`."""
        await self._jobs.close()

    def stay(self) -> None:
        """See `Leaves.stay`."""
        self._jobs.stay()
