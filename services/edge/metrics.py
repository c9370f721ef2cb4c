"""Every instrument of the edge. Media plane figures are in `rillcast.node.metrics`."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram


class Counted(Sized, Protocol):
    """All viewers, as `services.edge.domain.viewer.Viewers`."""

    @property
    def streams(self) -> Sized: ...

    starved: int


VIEWERS = Gauge("rillcast_edge_viewers", "Viewer sessions, those still connecting included")
STREAMS = Gauge("rillcast_edge_streams", "Streams with at least one viewer session here")
JOINS = Counter("rillcast_edge_joins", "Play requests by outcome: ok or the refusal's code", ["outcome"])
RUNG_WAITS = Counter(
    "rillcast_edge_rung_waits",
    "Viewers kept waiting for a ladder to make the only codec they have: ok, late, too_many",
    ["outcome"],
)
AWAITING_RUNGS = Gauge("rillcast_edge_viewers_awaiting_rungs", "Viewers kept waiting for a ladder right now")
FIRST_PACKET = Histogram(
    "rillcast_edge_first_packet_seconds",
    "From the play request to the first media packet sent to the viewer",
    buckets=(0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 2, 5, 10),
)
ENDED = Counter("rillcast_edge_viewers_ended", "Viewer sessions that ended, by reason (`EndReason`)", ["how"])
RELAYS = Gauge("rillcast_edge_relays", "Upstream relays: one per track rendition in use or lingering")
RELAY_OPENS = Counter(
    "rillcast_edge_relay_opens",
    "Attempts to open an upstream relay, by outcome: ok or the refusal's code; also close_ and the code with which "
    "giving a relay back failed",
    ["outcome"],
)
RELAY_PARENTS_LOST = Counter("rillcast_edge_relay_parents_lost", "Times a relay parent fell silent")
RELAY_MOVES = Counter("rillcast_edge_relay_moves", "Relays opened anew under living viewers")
SWITCHES = Counter(
    "rillcast_edge_rendition_switches", "Rendition changes of viewers, by cause: up, down, lost, forced", ["cause"]
)
LAYER_CHANGES = Counter(
    "rillcast_edge_layer_changes",
    "Changes of how many temporal layers viewers are sent, by direction: up, down",
    ["direction"],
)
PROBES = Counter(
    "rillcast_edge_probes", "Tries whether a viewer's link carries more, by outcome: fits, failed", ["outcome"]
)
STARVED = Gauge("rillcast_edge_viewers_starved", "Viewers whose link does not carry even the lowest rendition")
NACKED = Counter("rillcast_edge_nacked_packets", "Packets viewers asked for again")
REPAIRED = Counter("rillcast_edge_repaired_packets", "Packets sent again to viewers from the ring")
DROPPED = Counter("rillcast_edge_dropped_packets", "Packets not sent because a viewer's budget or the socket was full")
COMMANDS_DROPPED = Counter(
    "rillcast_edge_plane_commands_dropped", "Commands given up because the media plane took none for too long"
)


def relay_opened(outcome: str) -> None:
    """Take in an attempt to open a relay, or to give one back: see `RELAY_OPENS`."""
    RELAY_OPENS.labels(outcome).inc()


def count(viewers: Counted) -> None:
    """Take in how many viewers there are. Call when one came or left."""
    VIEWERS.set(len(viewers))
    STREAMS.set(len(viewers.streams))
    STARVED.set(viewers.starved)
