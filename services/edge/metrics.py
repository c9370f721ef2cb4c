"""Every instrument of the edge. Media plane figures are in `rillcast.node.metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

from rillcast.runtime.telemetry.tallied import TalliedHistogram


class Counted(Sized, Protocol):
    """All viewers, as `services.edge.domain.viewer.Viewers`."""

    @property
    def streams(self) -> Sized: ...

    starved: int


VIEWERS = Gauge("rillcast_edge_viewers", "Viewer sessions, those still connecting included")
STREAMS = Gauge("rillcast_edge_streams", "Streams with at least one viewer session here")
JOINS = Counter("rillcast_edge_joins", "Play requests by outcome: ok or the refusal's code", ["outcome"])
CONNECTING_REFUSED = Counter(
    "rillcast_edge_connecting_refused",
    "Joins refused since too many viewers have not finished their handshake, by why: full, address_full (their address "
    "has its share)",
    ["why"],
)
RUNG_WAITS = Counter(
    "rillcast_edge_rung_waits",
    "Viewers kept waiting for a ladder to make the only codec they have: ok, late, too_many (not waited), address_full "
    "(not waited, since its address has its share)",
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
    "Questions for an upstream relay, by outcome: ok, referred (to another edge), referred_nowhere (only to nodes that "
    "were tried already) or the refusal's code; also close_ and the code with which giving a relay back failed",
    ["outcome"],
)
LAYERS_STOPPED = Counter(
    "rillcast_edge_layers_stopped", "Times a layer came no more while others of the same picture did"
)
RELAY_PARENTS_LOST = Counter("rillcast_edge_relay_parents_lost", "Times a relay parent fell silent")
RELAY_PARENTS_LEFT = Counter(
    "rillcast_edge_relay_parents_left", "Times another edge said that it ends a relay to this one, so that it moves"
)
RELAY_LEVEL = Gauge(
    "rillcast_edge_relay_level",
    "How many relays this edge is from the owner of a track at most, of all tracks that come in; 0: none does",
)
RELAY_STANDBYS = Gauge(
    "rillcast_edge_relay_standbys",
    "Nodes that this edge would ask first if a parent fell silent, of all its relays together; 8 at most are counted",
)
RELAY_CHILDREN = Gauge("rillcast_edge_relay_children", "Relays to other edges: one per track rendition and child")
RELAY_CHILD_OPENS = Counter(
    "rillcast_edge_relay_child_opens",
    "Requests of other edges for a relay from here, by outcome: ok, referred (to a child) or the refusal's code",
    ["outcome"],
)
RELAY_CHILDREN_LOST = Counter("rillcast_edge_relay_children_lost", "Relays ended because the child fell silent")
RELAY_GAP = Histogram(
    "rillcast_edge_relay_gap_seconds",
    "What the viewers of a relay missed when its parent fell silent: from the last sign of life of that parent to the "
    "first packet of the next one, or of the same one",
    buckets=(0.1, 0.2, 0.4, 0.5, 0.6, 0.75, 1, 1.5, 2, 3, 5, 10, 30),
)
RELAY_PACKETS_LOST = Counter(
    "rillcast_edge_relay_packets_lost", "Packets of parents that never came, although they were asked for again"
)
RELAY_PACKETS_RECOVERED = Counter(
    "rillcast_edge_relay_packets_recovered", "Packets of parents that came after being asked for"
)
RELAY_MOVES = Counter("rillcast_edge_relay_moves", "Relays opened anew under living viewers")
SWITCHES = Counter(
    "rillcast_edge_rendition_switches",
    "Rendition changes of viewers, by cause: up, down, lost, forced, backup (to the backup of their stream), back (to "
    "its publisher)",
    ["cause"],
)
BACKUP_MISFITS = Counter(
    "rillcast_edge_backup_misfits",
    "Backups that can't stand in for what viewers were shown, by reason: kind (it has no such track), codec (it has "
    "none that was agreed on with them). Counted once each time that the backup is shown",
    ["reason"],
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
VIEWER_LOSS = TalliedHistogram(
    "rillcast_edge_viewer_loss_ratio",
    "Share of the packets sent to a viewer that it reports missed, before they are sent again. One observation for "
    "each viewer and second",
    buckets=(0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
VIEWER_RTT = TalliedHistogram(
    "rillcast_edge_viewer_rtt_seconds",
    "Round trip to a viewer. One observation for each viewer and second in which it is known",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2),
)
FREEZES = Counter(
    "rillcast_edge_freezes_estimated",
    "Times the picture of a viewer most likely stood still, by cause: undecodable (it asked for a keyframe while it "
    "was shown something), late (its newest packet became more than half a second old), silent (no packet of its video "
    "came in here)",
    ["cause"],
)
NACKED = Counter("rillcast_edge_nacked_packets", "Packets viewers asked for again")
REPAIRED = Counter("rillcast_edge_repaired_packets", "Packets sent again to viewers from the ring")
DROPPED = Counter("rillcast_edge_dropped_packets", "Packets not sent because a viewer's budget or the socket was full")
COMMANDS_DROPPED = Counter(
    "rillcast_edge_plane_commands_dropped", "Commands given up because the media plane took none for too long"
)


def count_levels(levels: Iterable[int]) -> None:
    """Take in the levels of all relays that are open."""
    RELAY_LEVEL.set(max(levels, default=0))


def relay_opened(outcome: str) -> None:
    """Take in an attempt to open a relay, or to give one back: see `RELAY_OPENS`."""
    RELAY_OPENS.labels(outcome).inc()


def count(viewers: Counted) -> None:
    """Take in how many viewers there are. Call when one came or left."""
    VIEWERS.set(len(viewers))
    STREAMS.set(len(viewers.streams))
    STARVED.set(viewers.starved)
