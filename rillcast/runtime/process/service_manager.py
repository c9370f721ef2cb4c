"""What systemd is told of a node: up, going away, alive. The datagrams are those of sd_notify(3); a node that was not
started by systemd tells nobody.

Alive means that the event loop turns, since its timers send the sign, and that the node is not overdue: one that was
told to end, or that crashed, and is still there long after its drain is given up by the silence.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping

from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

ENDING_S = 20.0
"""How long a node may take to end after its drain: to cut off who is left, and to close what is open."""
MOST_STATUS = 500
"""Characters of the line that `systemctl status` shows."""
_ADDRESS, _WATCHDOG_US, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_SIGNS = 3
"""Signs of life in the time after which systemd misses them."""


class ServiceManager:
    """One for each process. `told` and its callers never fail: what cannot be said is counted."""

    def __init__(
        self, tell: Callable[[bytes], object] | None = None, watchdog_s: float = 0.0, *, now: Callable[[], float]
    ) -> None:
        """`tell` sends one datagram, and raises OSError when it can't; None: nobody wants to know. `watchdog_s`: how
        long systemd waits for a sign of life, in seconds; 0: for ever. `now`: a monotonic clock, in seconds."""
        self._tell = tell
        self._watchdog_s = watchdog_s
        self._now = now
        self._overdue_at: float | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._complained = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str], now: Callable[[], float]) -> ServiceManager:
        """As the variables say that systemd sets. They are taken out, so that no child speaks in this node's name. What
        makes no sense is named in the log, and then nobody is told."""
        address = environment.pop(_ADDRESS, "")
        watchdog_us, pid = environment.pop(_WATCHDOG_US, ""), environment.pop(_WATCHDOG_PID, "")
        if not address:
            return cls(now=now)
        if not address.startswith(("/", "@")) or len(address) < 2:
            log.warning("Cannot tell systemd anything", reason=f"{_ADDRESS} is no path: {address[:100]!r}")
            return cls(now=now)
        watchdog_s = 0.0
        if watchdog_us and pid in {"", str(os.getpid())}:
            if watchdog_us.isascii() and watchdog_us.isdigit():
                watchdog_s = int(watchdog_us) / 1e6
            else:
                log.warning("systemd gets no signs of life", reason=f"{_WATCHDOG_US} is no number")
        return cls(_to(address), watchdog_s, now=now)

    # ---- what is told

    def begin(self) -> None:
        """Send signs of life from now on, on the running event loop, until `close`."""
        if self._tell is not None and self._watchdog_s > 0:
            self._feeding = asyncio.create_task(self._feed(), name="watchdog")

    def ready(self, obstacle: str) -> None:
        """The node is wired. Whether it takes new work is another question, which `status` answers."""
        self._told("READY=1", _status(obstacle))

    def status(self, obstacle: str) -> None:
        """What `systemctl status` shows from now on: why the node takes no new work; empty when it takes some."""
        self._told(_status(obstacle))

    def stopping(self, drain_s: float) -> None:
        """The node drains and ends. systemd waits so long before it kills, also if ``TimeoutStopSec`` is less."""
        at_most_s = drain_s + ENDING_S
        self._overdue_at = self._now() + at_most_s
        self._told("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(at_most_s * 1e6)}")

    async def close(self) -> None:
        """Send nothing any more."""
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait((self._feeding,))
        self._tell = None

    # ---- inside

    async def _feed(self) -> None:
        while self._overdue_at is None or self._now() < self._overdue_at:
            self._told("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / _SIGNS)
        log.error("This node should have ended by now: systemd gets no more signs of life")

    def _told(self, *lines: str) -> None:
        if self._tell is None:
            return
        try:
            self._tell("\n".join(lines).encode())
        except OSError as error:
            metrics.SERVICE_MANAGER_FAILED.inc()
            if not self._complained:
                self._complained = True
                log.warning("systemd does not take what it is told", reason=str(error))


def _status(obstacle: str) -> str:
    words = f"takes no new work: {obstacle}" if obstacle else "takes new work"
    return f"STATUS={' '.join(words.split())[:MOST_STATUS]}"


def _to(address: str) -> Callable[[bytes], object]:
    """Sends datagrams there, without waiting. ``@`` at the beginning stands for Linux's abstract names."""
    where = f"\0{address[1:]}" if address.startswith("@") else address

    def tell(datagram: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(datagram, where)

    return tell
