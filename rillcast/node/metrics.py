"""Instruments that every node with a media plane exports, most of them fed from `WorkerStats`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from rillcast.media.protocol import WorkerStats
from rillcast.runtime.telemetry.tallied import TalliedHistogram

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
    "Payload bytes of datagrams through the media plane, by direction: in, out",
    ["direction"],
)
PASSAGE = TalliedHistogram(
    "rillcast_plane_passage_seconds",
    "How long a packet took through the node: from the batch in which it was received until all who get it at once "
    "have been sent it. Counted once for each media thread that sends it on, however many get it",
    buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
)
MESSAGES = Counter(
    "rillcast_plane_media_messages",
    "Messages of media that left for viewers, each of up to 16 packets, by way: raw (past the UDP socket), socket. A "
    "node that does not send past the socket has the second only",
    ["way"],
)
RAW_FALLBACKS = Counter(
    "rillcast_plane_raw_fallbacks",
    "Messages of media that left by the socket although the node sends past it, by reason: unproved (the viewer has "
    "not reported yet that media reaches it), unheard (it reported that no more), unresolved (the neighbour's "
    "address), not_asked (the way, so far), local (the viewer is on this host), no_ethernet, link_down, odd_route, "
    "too_many (neighbours or devices), too_long (a packet, for the way), ring_full, refused (by the kernel)",
    ["reason"],
)
NACKS_SENT = Counter("rillcast_plane_nacks_sent", "Packets that publishers and parents were asked for again")
KEYFRAME_REQUESTS = Counter(
    "rillcast_plane_keyframe_requests",
    "Requests for a keyframe (PLI, FIR), by direction: in (of viewers and children), out (to publishers and parents)",
    ["direction"],
)
RELAY_HOP = TalliedHistogram(
    "rillcast_relay_hop_seconds",
    "Half of the round trip to a child, which is what one relay adds to the delay besides the passage through nodes, "
    "by level of the child: 1 (the owner of the track feeds it), 2, 3",
    ["level"],
    buckets=(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
BUSY = Gauge("rillcast_plane_busy_ratio", "Share of the last second a media thread spent working", ["worker"])
LOOP_LAG = Gauge("rillcast_plane_loop_lag_seconds", "Largest delay of a due timer in the last second", ["worker"])
SESSIONS = Gauge("rillcast_plane_sessions", "Sessions in the media plane", ["worker"])
HALF_OPEN = Gauge("rillcast_plane_half_open_sessions", "Sessions whose handshake isn't finished", ["worker"])
TCP_CONNECTIONS = Gauge(
    "rillcast_plane_tcp_connections", "TCP connections of clients (ICE over TCP) at the media port", ["worker"]
)
SOURCES = Gauge(
    "rillcast_plane_sources",
    "Sources in the media plane, with images of those that live on other workers",
    ["worker"],
)
COMMANDS_FAILED = Counter(
    "rillcast_plane_commands_failed", "Commands the media plane could not carry out, by command", ["command"]
)
SHARES_REFUSED = Counter(
    "rillcast_node_session_shares_refused",
    "Sessions refused since their address has as many of this node's as are free, while others could have one",
)
EVENTS_DROPPED = Counter("rillcast_node_events_dropped", "Outgoing events dropped because too many waited")
ASSOCIATIONS_GIVEN = Counter(
    "rillcast_node_associations_given",
    "Questions of other nodes for the association of a session that is sent away, by outcome: ready (the asker has the "
    "keys), handed_over (this node has stopped), unknown (the session, or its secret), unauthorized (the asker), "
    "stopped (somebody asked before), not_told (by the media plane)",
    ["outcome"],
)
ASSOCIATIONS_TAKEN = Counter(
    "rillcast_node_associations_taken",
    "Sessions that moved here from a node that drains, by what became of their association: kept, not_ready (the node "
    "did not give the keys), unfit (what is sent differs), refused (by that node in the end), silent (that node in the "
    "end), plane_error, ended (before it was known). All but the first shake hands anew",
    ["outcome"],
)
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
        TCP_CONNECTIONS.labels(worker).set(stats.tcp_connections)
        SOURCES.labels(worker).set(stats.sources)
        PACKETS.labels("in").inc(self._since(stats.worker, "packets_in", stats.packets_in))
        PACKETS.labels("out").inc(self._since(stats.worker, "packets_out", stats.packets_out))
        BYTES.labels("in").inc(self._since(stats.worker, "bytes_in", stats.bytes_in))
        BYTES.labels("out").inc(self._since(stats.worker, "bytes_out", stats.bytes_out))
        NACKS_SENT.inc(self._since(stats.worker, "nacks_sent", stats.nacks_sent))
        KEYFRAME_REQUESTS.labels("in").inc(self._since(stats.worker, "keyframes_in", stats.keyframe_requests_in))
        KEYFRAME_REQUESTS.labels("out").inc(self._since(stats.worker, "keyframes_out", stats.keyframe_requests_out))
        passages = [self._since(stats.worker, f"passage_{i}", n) for i, n in enumerate(stats.passages)]
        PASSAGE.add(passages, self._since(stats.worker, "passage_us", stats.passage_us) / 1e6)
        MESSAGES.labels("raw").inc(self._since(stats.worker, "messages_raw", stats.messages_raw))
        MESSAGES.labels("socket").inc(self._since(stats.worker, "messages_by_socket", stats.messages_by_socket))
        for reason, total in stats.fallbacks.items():
            RAW_FALLBACKS.labels(reason).inc(self._since(stats.worker, f"fallback_{reason}", total))
        for reason, total in stats.counters.items():
            REFUSED.labels(reason).inc(self._since(stats.worker, f"refused_{reason}", total))

    def _since(self, worker: int, name: str, total: int) -> int:
        before = self._seen.get((worker, name), 0)
        self._seen[worker, name] = total
        return max(0, total - before)
