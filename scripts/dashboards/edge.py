"""Edges: who watches there, how soon and how well, and where the edges get the streams from."""

from __future__ import annotations

from scripts.dashboards.panel import OUTCOMES, QUANTILES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.parts import associations, drains, media_plane
from scripts.dashboards.promql import EDGE, OUTWARD, WHOLE, Chosen, highest, or_none

HERE = Chosen("node")
FIRST = "rillcast_edge_first_packet_seconds"

VIEWERS = Row(
    "Viewers",
    [
        Panel(
            "Edges",
            "Each edge with what it carries. first packet: 95 of 100 viewers of the last five minutes had it so soon.",
            [
                Query(HERE.sum("rillcast_edge_viewers", by="node"), "Viewers"),
                Query(HERE.sum("rillcast_edge_streams", by="node"), "Streams"),
                Query(
                    HERE.max("rillcast_plane_busy_ratio", EDGE, by="node"),
                    "Busy",
                    unit=Unit.SHARE,
                    turns={0.8: Colour.BAD, 0.9: Colour.WORST},
                ),
                Query(
                    HERE.quantile(0.95, FIRST, by="node", window="5m"),
                    "First packet",
                    unit=Unit.SECONDS,
                    turns={0.5: Colour.LATE, 1: Colour.BAD, 2: Colour.WORST},
                ),
                Query(HERE.sum("rillcast_edge_viewers_starved", by="node"), "Thin links"),
                Query(HERE.max("rillcast_edge_relay_level", by="node"), "Level"),
                Query(HERE.max("rillcast_draining", EDGE, by="node"), "Drains", turns={1: Colour.LATE}),
            ],
            form=Form.TABLE,
            width=24,
            keep=("node",),
            leads="edge",
        ),
        Panel(
            "Viewers by edge",
            "Sessions, those still connecting included.",
            [Query(HERE.sum("rillcast_edge_viewers", by="node"), "{{node}}")],
            form=Form.AREAS,
        ),
        Panel(
            "Joins by outcome",
            "What edges answered when signaling asked them for a place for a viewer.",
            [Query(HERE.rate("rillcast_edge_joins_total", by="outcome"), "{{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "First packet",
            "From the request to the first media packet that the edge sends. The objective is half a second.",
            [Query(HERE.quantile(part, FIRST), name) for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))],
            unit=Unit.SECONDS,
            turns={0.5: Colour.BAD},
            colours=QUANTILES,
        ),
        Panel(
            "Sessions that ended, by reason",
            "stopped and socket_closed are viewers who left. consent_expired: the client was gone without a word. "
            "draining moves to another edge. plane_error and dtls_failed are faults.",
            [Query(HERE.happened("rillcast_edge_viewers_ended_total", by="how"), "{{how}}")],
            form=Form.AREAS,
            colours={"stopped|socket_closed": Colour.GOOD, "plane_error|dtls_failed": Colour.WORST},
        ),
        Panel(
            "No place to connect",
            "Joins that were refused since too many viewers shake hands, or since an address has its share already. "
            "All of one address: an attack, or a proxy that is not trusted.",
            [
                Query(HERE.happened("rillcast_edge_connecting_refused_total", by="why"), "connecting {{why}}"),
                Query(or_none(HERE.happened("rillcast_node_session_shares_refused_total")), "share of an address"),
            ],
            colours={"connecting full": Colour.WORST},
        ),
        drains(HERE, "edge"),
    ],
)

PICTURE = Row(
    "Picture",
    [
        Panel(
            "Repair",
            "Packets that viewers asked for again, and those that were sent again from the ring. dropped: not sent, "
            "since the budget of a viewer or the socket was full.",
            [
                Query(HERE.rate("rillcast_edge_nacked_packets_total"), "asked for again"),
                Query(HERE.rate("rillcast_edge_repaired_packets_total"), "repaired"),
                Query(HERE.rate("rillcast_edge_dropped_packets_total"), "dropped"),
                Query(HERE.rate("rillcast_edge_plane_commands_dropped_total"), "commands given up"),
            ],
            unit=Unit.PACKETS,
            colours={"asked": Colour.LATE, "repaired": Colour.GOOD, "dropped": Colour.WORST},
        ),
        Panel(
            "Messages past the socket and by it",
            "Messages of media to viewers, each of up to 16 packets. by the socket, with a reason: those of edges that "
            "send past it otherwise. unproved is the beginning of each viewer; much of any other reason costs CPU.",
            [
                Query(HERE.rate("rillcast_plane_media_messages_total", 'way="raw"', EDGE), "past the socket"),
                Query(HERE.rate("rillcast_plane_media_messages_total", 'way="socket"', EDGE), "by the socket"),
                Query(HERE.rate("rillcast_plane_raw_fallbacks_total", EDGE, by="reason"), "by the socket: {{reason}}"),
            ],
            unit=Unit.PER_SECOND,
            colours={"past": Colour.GOOD, "unheard": Colour.BAD, "ring_full|refused": Colour.LATE},
        ),
        Panel(
            "Packets asked for again, of all sent",
            "By edge. One edge above the others has a bad network; all of them together point at the origin.",
            [
                Query(
                    f"{HERE.rate('rillcast_edge_nacked_packets_total', by='node')} / "
                    f"({HERE.rate('rillcast_plane_packets_total', OUTWARD, EDGE, by='node')} > 0)",
                    "{{node}}",
                )
            ],
            unit=Unit.SHARE,
            turns={0.02: Colour.LATE, 0.1: Colour.WORST},
        ),
        Panel(
            "Changes of rendition",
            "up and down follow the links of viewers. lost: the rendition came no more. backup and back: what was "
            "shown instead of a silent publisher.",
            [
                Query(HERE.rate("rillcast_edge_rendition_switches_total", by="cause"), "{{cause}}"),
                Query(HERE.rate("rillcast_edge_layer_changes_total", by="direction"), "temporal layers {{direction}}"),
            ],
            unit=Unit.PER_SECOND,
            colours={"^up": Colour.GOOD, "^down": Colour.LATE, "lost": Colour.WORST},
            nothing="no change",
        ),
        Panel(
            "Thin links and waits for a rendition",
            "Viewers whose link does not carry the lowest rendition, and viewers that wait for a ladder to make the "
            "only codec they have.",
            [
                Query(HERE.sum("rillcast_edge_viewers_starved"), "thin links"),
                Query(HERE.sum("rillcast_edge_viewers_awaiting_rungs"), "wait for a rendition"),
            ],
            colours={"thin": Colour.BAD, "wait": Colour.LATE},
        ),
        Panel(
            "Tries whether a link carries more",
            "Probes by outcome. Few that fit: links are full, or the estimate is too high.",
            [Query(HERE.rate("rillcast_edge_probes_total", by="outcome"), "{{outcome}}")],
            unit=Unit.PER_SECOND,
            colours={"fits": Colour.GOOD, "failed": Colour.BAD},
            nothing="no link was tried",
        ),
        Panel(
            "Waits for a rendition, by outcome",
            "late: the ladder did not make it in time. too_many: the viewer was not kept waiting.",
            [Query(HERE.happened("rillcast_edge_rung_waits_total", by="outcome"), "{{outcome}}")],
            colours=OUTCOMES | {"late|too_many": Colour.BAD},
            nothing="nobody waited",
        ),
    ],
)

RELAYS = Row(
    "Relays",
    [
        Panel(
            "Relays in and out",
            "in: one for each rendition of a track that is used or lingers. out: to other edges, which this one feeds.",
            [
                Query(highest(HERE.sum("rillcast_edge_relays", by="node")), "{{node}} in"),
                Query(highest(HERE.sum("rillcast_edge_relay_children", by="node")), "{{node}} out"),
            ],
        ),
        Panel(
            "Questions for a relay, by outcome",
            "referred: another edge gives it. A code is a refusal of the parent.",
            [
                Query(HERE.rate("rillcast_edge_relay_opens_total", by="outcome"), "asked {{outcome}}"),
                Query(HERE.rate("rillcast_edge_relay_child_opens_total", by="outcome"), "answered {{outcome}}"),
            ],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Relays that ended or moved",
            "A parent or a child fell silent; another edge said that it ends the relay; a relay was opened anew under "
            "living viewers; a layer of a picture stopped.",
            [
                Query(or_none(HERE.rate("rillcast_edge_relay_parents_lost_total")), "parents silent"),
                Query(or_none(HERE.rate("rillcast_edge_relay_children_lost_total")), "children silent"),
                Query(or_none(HERE.rate("rillcast_edge_relay_parents_left_total")), "parents left"),
                Query(or_none(HERE.rate("rillcast_edge_relay_moves_total")), "moved"),
                Query(or_none(HERE.rate("rillcast_edge_layers_stopped_total")), "layers stopped"),
            ],
            unit=Unit.PER_SECOND,
            colours={"silent": Colour.WORST, "moved": Colour.LATE},
        ),
        Panel(
            "Gaps when a parent fell silent",
            "From the last sign of life of the parent to the first packet of the next one: viewers stood still for so "
            "long.",
            [
                Query(HERE.quantile(0.5, "rillcast_edge_relay_gap_seconds", window=WHOLE), "p50"),
                Query(HERE.quantile(0.95, "rillcast_edge_relay_gap_seconds", window=WHOLE), "p95"),
            ],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            turns={0.75: Colour.LATE, 2: Colour.BAD, 5: Colour.WORST},
            nothing="no parent fell silent",
        ),
        Panel(
            "Loss between nodes",
            "lost: packets of parents that never came, although asked for again. recovered: came when asked for. "
            "Between nodes there should be none.",
            [
                Query(HERE.rate("rillcast_edge_relay_packets_lost_total"), "lost"),
                Query(HERE.rate("rillcast_edge_relay_packets_recovered_total"), "recovered"),
            ],
            unit=Unit.PACKETS,
            colours={"lost": Colour.WORST, "recovered": Colour.GOOD},
        ),
        Panel(
            "Level in the relay tree",
            "How many relays the edge is from the owner of a track at most. Each level adds a few milliseconds.",
            [Query(highest(HERE.max("rillcast_edge_relay_level", by="node")), "{{node}}")],
            decimals=0,
        ),
        Panel(
            "Standbys",
            "Nodes that an edge would ask first if a parent fell silent. 0 under load: a lost parent is a longer gap.",
            [Query(f"bottomk(10, min by (node) ({HERE.of('rillcast_edge_relay_standbys')}))", "{{node}}")],
            decimals=0,
        ),
        Panel(
            "Standstills, by cause",
            "Pictures of viewers of these edges that most likely stood still. silent: nothing came in at the edge.",
            [Query(HERE.rate("rillcast_edge_freezes_estimated_total", by="cause"), "{{cause}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours={"undecodable": Colour.OTHER, "late": Colour.LATE, "silent": Colour.WORST},
            nothing="no picture stood still",
        ),
        associations(HERE, "edge"),
    ],
)

BOARD = Board(
    "edge",
    "Rillcast: Edge",
    "Edges: who watches there, how soon and how well, and where the edges get the streams from.",
    [VIEWERS, PICTURE, RELAYS, media_plane(HERE, "edge")],
    asked=(Asked.NODE,),
    kind="edge",
)
