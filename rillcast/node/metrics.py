"""Instruments that every node with a media plane exports, most of them fed from `WorkerStats`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from rillcast.media.protocol import WorkerStats

REFUSED = Counter(
    "rillcast_plane_refused",
    "Packets and commands the media plane refused or dropped, by reason as the plane counts it",
    ["reason"],
)
PACKETS = Counter(
    "rillcast_plane_packets", "RTP and RTCP packets through the media plane, by direction: in, out", ["direction"]
)
BYTES = Counter(
    "rillcast_plane_bytes",
    "Payload bytes of UDP datagrams through the media plane, by direction: in, out",
    ["direction"],
)
BUSY = Gauge("rillcast_plane_busy_ratio", "Share of the last second a media thread spent working", ["worker"])
LOOP_LAG = Gauge("rillcast_plane_loop_lag_seconds", "Largest delay of a due timer in the last second", ["worker"])
SESSIONS = Gauge("rillcast_plane_sessions", "Sessions in the media plane", ["worker"])
HALF_OPEN = Gauge("rillcast_plane_half_open_sessions", "Sessions whose handshake isn't finished", ["worker"])
COMMANDS_FAILED = Counter(
    "rillcast_plane_commands_failed", "Commands the media plane could not carry out, by command", ["command"]
)
EVENTS_DROPPED = Counter("rillcast_node_events_dropped", "Outgoing events dropped because too many waited")
LEASE_NO_RECORD = Counter(
    "rillcast_lease_no_record",
    "Values found under a key that this node holds by lease which are no record of that key. They are overwritten.",
)


LEASE_FORGOTTEN = Counter(
    "rillcast_lease_forgotten",
    "Keys that this node holds by lease under which the store showed less than was written: an older record of this "
    "node, or one that it had replaced. The store returned to an earlier state, and the key is claimed anew.",
)


class PlaneMetrics:
    """Turns the totals of the plane into increments of counters. There is one for each plane."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], int] = {}

    def observe(self, stats: WorkerStats) -> None:
        """Take in the figures of one worker."""
        worker = str(stats.worker)
        BUSY.labels(worker).set(stats.busy)
        LOOP_LAG.labels(worker).set(stats.loop_lag_ms / 1000)
        SESSIONS.labels(worker).set(stats.sessions)
        HALF_OPEN.labels(worker).set(stats.half_open)
        PACKETS.labels("in").inc(self._since(stats.worker, "packets_in", stats.packets_in))
        PACKETS.labels("out").inc(self._since(stats.worker, "packets_out", stats.packets_out))
        BYTES.labels("in").inc(self._since(stats.worker, "bytes_in", stats.bytes_in))
        BYTES.labels("out").inc(self._since(stats.worker, "bytes_out", stats.bytes_out))
        for reason, total in stats.counters.items():
            REFUSED.labels(reason).inc(self._since(stats.worker, f"refused_{reason}", total))

    def _since(self, worker: int, name: str, total: int) -> int:
        before = self._seen.get((worker, name), 0)
        self._seen[worker, name] = total
        return max(0, total - before)
