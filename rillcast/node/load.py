"""How busy a node's media plane is, from its workers' figures; which worker takes the next session."""

from __future__ import annotations

from collections import deque

import msgspec

from rillcast.contracts.messages import NodeLoad
from rillcast.media.protocol import WorkerStats

LASTING_SAMPLES = 5
"""Seconds over which timers must be late for it to count: one hiccup of the machine is no reason to refuse viewers."""
FRESH_JOIN_BUSY = 0.002
"""Share of a worker that one join is taken to cost until the next figures show what it really costs."""


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at which a node counts as full; 0 = no limit."""

    max_sessions: int = 0
    max_pps: int = 0
    """The packets that all workers together send in a second."""
    max_egress_bps: int = 0
    max_loop_lag_ms: float = 0.0
    """The delay of a due timer in a media thread."""
    max_busy: float = 0.9
    """The share of their time that the media threads work."""


class _Worker(msgspec.Struct):
    sessions: int = 0
    fresh: int = 0
    busy: float = 0.0
    loop_lags_ms: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=LASTING_SAMPLES))
    packets_out: int = 0
    bytes_out: int = 0
    pps: float = 0.0
    egress_bps: float = 0.0
    seen_at: float | None = None


class MediaLoad:
    """Fed with `WorkerStats` once a second per worker and with every session that comes and goes."""

    def __init__(self, workers: int, limits: MediaLimits) -> None:
        self._workers = [_Worker() for _ in range(workers)]
        self._limits = limits
        self._of: dict[str, int] = {}
        """Sessions by client, of those that have a share."""

    def observe(self, stats: WorkerStats, now: float) -> None:
        """Take in a worker's figures."""
        worker = self._workers[stats.worker]
        if worker.seen_at is not None and now > worker.seen_at:
            elapsed_s = now - worker.seen_at
            worker.pps = max(0, stats.packets_out - worker.packets_out) / elapsed_s
            worker.egress_bps = max(0, stats.bytes_out - worker.bytes_out) * 8 / elapsed_s
        worker.packets_out, worker.bytes_out, worker.seen_at = stats.packets_out, stats.bytes_out, now
        worker.busy, worker.fresh = stats.busy, 0
        worker.loop_lags_ms.append(stats.loop_lag_ms)

    def joined(self, worker: int, client: str = "") -> None:
        """A session was given to this worker: it counts until the next figures show it. `client`: whose share of the
        sessions it takes; empty = nobody's."""
        self._workers[worker].sessions += 1
        self._workers[worker].fresh += 1
        if client:
            self._of[client] = self._of.get(client, 0) + 1

    def left(self, worker: int, client: str = "") -> None:
        """A session of this worker ended. `client`: as it was when it joined."""
        self._workers[worker].sessions -= 1
        if client:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]

    def least_loaded(self) -> int:
        """The worker for the next session."""

        def cost(index: int) -> tuple[float, int]:
            worker = self._workers[index]
            return (round(worker.busy + worker.fresh * FRESH_JOIN_BUSY, 2), worker.sessions)

        return min(range(len(self._workers)), key=cost)

    @property
    def sessions(self) -> int:
        return sum(worker.sessions for worker in self._workers)

    def report(self, streams: int) -> NodeLoad:
        """The figures for the heartbeat. Timer delay is the best worker's: that one takes the next session."""
        count = len(self._workers)
        return NodeLoad(
            cpu=_share(sum(worker.busy for worker in self._workers) / count, self._limits.max_busy),
            packets=_share(sum(worker.pps for worker in self._workers), self._limits.max_pps),
            egress=_share(sum(worker.egress_bps for worker in self._workers), self._limits.max_egress_bps),
            loop_lag=_share(self._lasting_lag_ms(), self._limits.max_loop_lag_ms),
            sessions=self.sessions,
            streams=streams,
        )

    def _lasting_lag_ms(self) -> float:
        """The best worker's least delay of the last seconds; 0 before there were so many."""
        return min(
            min(worker.loop_lags_ms) if len(worker.loop_lags_ms) == LASTING_SAMPLES else 0.0 for worker in self._workers
        )

    def full(self, client: str = "") -> str:
        """Why another session can't be taken, in words; empty when it can. A client may have one more as long as fewer
        are its own than are free (`rillcast.cluster.shares`)."""
        load, most = self.report(0), self._limits.max_sessions
        if most and load.sessions >= most:
            return f"all {most} sessions are taken"
        if most and self._of.get(client, 0) >= most - load.sessions:
            return f"too many of its {most} sessions are of your address"
        shares = {
            "processor": load.cpu,
            "packet rate": load.packets,
            "egress bit rate": load.egress,
            "timer delay": load.loop_lag,
        }
        for what, share in shares.items():
            if share >= 1.0:
                return f"the {what} is at its limit"
        return ""


def _share(value: float, limit: float) -> float:
    return value / limit if limit else 0.0
