"""Commands that may be left out while the plane is too far behind."""

from __future__ import annotations

from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import Command
from services.transcoder import metrics
from services.transcoder.ports import Plane


def attempted(plane: Plane, command: Command) -> bool:
    """Hand over a command that comes again, or of which the next one says the same. False when the plane is busy."""
    try:
        plane.execute(command)
    except PlaneBusy:
        metrics.ERRORS.labels("plane_busy").inc()
        return False
    return True
