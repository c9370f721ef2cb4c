"""Whether media leaves past the UDP sockets: opens what that needs before anything else happens, and says what came of
it (decision 0230)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rillcast.media import raw
from rillcast.media.plane import Egress
from rillcast.media.protocol import EgressMode
from rillcast.runtime.errors import StartError
from rillcast.runtime.telemetry.logs import get_logger

if TYPE_CHECKING:
    from rillcast.media.raw import RawSockets

log = get_logger(__name__)


def claim(mode: EgressMode, workers: int, setting: str) -> RawSockets | None:
    """Open the sockets and give the capability for that away. The first thing that a node does: nothing has been read
    from the network then. None: nothing is wished. Raises StartError, which names the setting, when it must be had and
    can't, or when the capability could not be given away."""
    if mode is EgressMode.SOCKET:
        return None
    try:
        sockets = raw.claim(workers)
    except OSError as error:
        raise StartError(f"{setting}={mode}: {error}") from error
    if mode is EgressMode.RAW and sockets.problem:
        raise StartError(f"{setting}={mode}: {sockets.problem}")
    return sockets


def tell(egress: Egress) -> None:
    """One line in the log, where something was wished."""
    if egress.raw:
        log.info("Media leaves past the UDP sockets")
    else:
        log.warning("Media leaves by the UDP sockets", reason=egress.why_not)
