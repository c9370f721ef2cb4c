"""Panels that more than one dashboard has: what every node with a media plane tells."""

from __future__ import annotations

from scripts.dashboards.panel import DIRECTIONS, Colour, Panel, Query, Row, Unit
from scripts.dashboards.promql import Chosen, highest, share


def media_plane(chosen: Chosen, kind: str) -> Row:
    """The media planes of the nodes of one kind."""
    of_kind = f'service="{kind}"'
    return Row(
        "Media plane",
        [
            Panel(
                "Packets",
                "RTP and RTCP packets through the media plane, of the busiest nodes.",
                [
                    Query(
                        highest(chosen.rate("rillcast_plane_packets_total", of_kind, by=("node", "direction"))),
                        "{{node}} {{direction}}",
                    )
                ],
                unit=Unit.PACKETS,
                colours=DIRECTIONS,
            ),
            Panel(
                "Bandwidth",
                "Payload of datagrams through the media plane, of the busiest nodes.",
                [
                    Query(
                        highest(f"8 * {chosen.rate('rillcast_plane_bytes_total', of_kind, by=('node', 'direction'))}"),
                        "{{node}} {{direction}}",
                    )
                ],
                unit=Unit.BITS,
                colours=DIRECTIONS,
            ),
            Panel(
                "Busy media threads",
                "The share of its time that each thread works. At 90 % its node takes nobody new. One thread far above "
                "the others carries a stream that is larger than the rest.",
                [
                    Query(
                        highest(chosen.max("rillcast_plane_busy_ratio", of_kind, by=("node", "worker"))),
                        "{{node}} {{worker}}",
                    )
                ],
                unit=Unit.SHARE,
                at_most=1,
                turns={0.8: Colour.BAD, 0.9: Colour.WORST},
            ),
            Panel(
                "Time of a packet in a node",
                "From the batch in which a packet was received until all who get it at once were sent it.",
                [
                    Query(chosen.quantile(part, "rillcast_plane_passage_seconds", of_kind), name)
                    for name, part in (("p50", 0.5), ("p99", 0.99))
                ],
                unit=Unit.SECONDS,
                turns={0.005: Colour.LATE, 0.02: Colour.BAD},
            ),
            Panel(
                "Delay of a relay",
                "Half of the round trip to the node that is fed, for 95 of 100 measurements, by its level in the tree.",
                [Query(chosen.quantile(0.95, "rillcast_relay_hop_seconds", of_kind, by="level"), "level {{level}}")],
                unit=Unit.SECONDS,
            ),
            Panel(
                "Asked for again",
                "packets: that publishers and parents were asked for again. keyframes in: asked for by viewers and "
                "children, whose picture may stand still. keyframes out: asked for by this node.",
                [
                    Query(chosen.rate("rillcast_plane_nacks_sent_total", of_kind), "packets"),
                    Query(
                        chosen.rate("rillcast_plane_keyframe_requests_total", of_kind, by="direction"),
                        "keyframes {{direction}}",
                    ),
                ],
                unit=Unit.PER_SECOND,
            ),
            Panel(
                "Late timers of media threads",
                "The largest delay in each second. Ten milliseconds are heard and seen: the machine has too few "
                "processors, or gives them to others.",
                [Query(highest(chosen.max("rillcast_plane_loop_lag_seconds", of_kind, by="node")), "{{node}}")],
                unit=Unit.SECONDS,
                turns={0.01: Colour.LATE, 0.05: Colour.WORST},
            ),
            Panel(
                "Sessions, sources and TCP connections",
                "half open: their handshake is not finished; many of them that stay are clients whom the answers do "
                "not reach, or an attack. Sources include images on other threads.",
                [
                    Query(chosen.sum("rillcast_plane_sessions", of_kind), "sessions"),
                    Query(chosen.sum("rillcast_plane_half_open_sessions", of_kind), "half open"),
                    Query(chosen.sum("rillcast_plane_sources", of_kind), "sources"),
                    Query(chosen.sum("rillcast_plane_tcp_connections", of_kind), "TCP connections"),
                ],
                colours={"^sessions": Colour.PLAIN, "half open": Colour.BAD, "sources": Colour.OTHER},
            ),
            Panel(
                "Refused by the media plane",
                "Packets that were dropped, by the reason as the media plane counts it, and commands that it could not "
                "carry out. A few of them are the weather of the Internet.",
                [
                    Query(chosen.rate("rillcast_plane_refused_total", of_kind, by="reason") + " > 0", "{{reason}}"),
                    Query(
                        chosen.rate("rillcast_plane_commands_failed_total", of_kind, by="command") + " > 0",
                        "command {{command}}",
                    ),
                ],
                unit=Unit.PACKETS,
                nothing="nothing was refused",
            ),
        ],
    )


def standstills(chosen: Chosen, window: str) -> str:
    """How often the picture of a viewer stands still in a minute, on average over all viewers."""
    return share(
        f"60 * {chosen.rate('rillcast_edge_freezes_estimated_total', window=window)}",
        chosen.sum("rillcast_edge_viewers"),
    )


def associations(chosen: Chosen, kind: str) -> Panel:
    """What becomes of DTLS associations when sessions move."""
    return Panel(
        "Associations that were handed over",
        "Sessions that came from a node which drains. kept: nobody noticed. All others shake hands anew, and stand "
        "still for a moment. The second curves are questions of others for the associations of this node.",
        [
            Query(
                chosen.happened("rillcast_node_associations_taken_total", f'service="{kind}"', by="outcome"),
                "taken {{outcome}}",
            ),
            Query(
                chosen.happened("rillcast_node_associations_given_total", f'service="{kind}"', by="outcome"),
                "given {{outcome}}",
            ),
        ],
        colours={"kept|ready$": Colour.GOOD},
        nothing="nobody has moved",
    )


def drains(chosen: Chosen, kind: str, width: int = 8) -> Panel:
    """How far drains of the nodes of one kind are."""
    of_kind = f'service="{kind}"'
    return Panel(
        "Drains",
        "What keeps a node that drains from being empty, and drains that ended: cut means that somebody was cut off.",
        [
            Query(chosen.sum("rillcast_drain_left", of_kind, by=("node", "what")) + " > 0", "{{node}} {{what}}"),
            Query(chosen.happened("rillcast_drains_total", of_kind, by="outcome") + " > 0", "ended: {{outcome}}"),
        ],
        colours={"cut": Colour.WORST},
        nothing="no node drains",
        width=width,
    )
