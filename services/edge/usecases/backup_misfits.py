"""Backups that can't stand in for what viewers were shown: said once for each time that a backup is shown."""

from __future__ import annotations

from rillcast.runtime.telemetry.logs import get_logger
from services.edge import metrics
from services.edge.domain.supply import Misfit, StreamSupply

log = get_logger(__name__)

_SAID = {
    Misfit.KIND: "A backup lacks a kind of track, which stays as it is",
    Misfit.CODEC: "A backup has no codec that was agreed on with viewers, who are left with the last picture",
}


class Misfits:
    """Of all streams of one edge. It holds one entry for each group and codec of a stream that is on its backup."""

    def __init__(self) -> None:
        self._told: dict[str, set[tuple[str, str, str]]] = {}

    def __len__(self) -> int:
        return len(self._told)

    def note(self, supply: StreamSupply, group: str, codec: str) -> None:
        """A viewer is shown this group in this codec. Called for each viewer at each change of the stream."""
        key = supply.live.key
        if supply.backup is None:
            self._told.pop(key, None)
            return
        misfit = supply.misfit(group, codec)
        if misfit is None:
            return
        told, what = self._told.setdefault(key, set()), (supply.backup.key, group, codec)
        if what not in told:
            told.add(what)
            metrics.BACKUP_MISFITS.labels(misfit.value).inc()
            log.warning(_SAID[misfit], key=key, backup=supply.backup.key, group=group, codec=codec)

    def forget(self, key: str) -> None:
        """Nobody watches the stream any more."""
        self._told.pop(key, None)
