"""What viewers experience: whether they come in, how soon, how well they see, and why they leave."""

from __future__ import annotations

from scripts.dashboards.burning import BAD_JOINS, COUNTED_JOINS, PLAYING
from scripts.dashboards.panel import OUTCOMES, QUANTILES, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import ALL_OF_IT, EDGE, IN_TIME, OUTWARD, WHOLE, Chosen, or_none, share

HERE = Chosen()
JOINS, SECONDS = "rillcast_signaling_joins_total", "rillcast_signaling_join_seconds"
FIRST = "rillcast_edge_first_packet_seconds"
PARTS = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
WITHIN = f"{FIRST}_bucket"

OBJECTIVES = Row(
    "Objectives",
    [
        Panel(
            "Joins that fail, against the objective",
            "Of all joins of viewers, by our fault. The objective is one in a hundred. The alert fires fast above 14.4 "
            "% over an hour and five minutes, and slowly above 6 % over six hours and half an hour.",
            [
                Query(
                    share(
                        HERE.rate(JOINS, PLAYING, BAD_JOINS, window=window),
                        HERE.rate(JOINS, PLAYING, COUNTED_JOINS, window=window),
                    ),
                    name,
                )
                for name, window in (("5 minutes", "5m"), ("1 hour", "1h"))
            ],
            unit=Unit.SHARE,
            width=12,
            turns={0.01: Colour.LATE, 0.144: Colour.WORST},
            colours={"5 minutes": Colour.PLAIN, "1 hour": Colour.OTHER},
        ),
        Panel(
            "First packets later than half a second",
            "Of all first packets that edges sent. The objective is five in a hundred.",
            [
                Query(
                    f"1 - {HERE.rate(WITHIN, IN_TIME, window=window)} / "
                    f"({HERE.rate(WITHIN, ALL_OF_IT, window=window)} > 0)",
                    name,
                )
                for name, window in (("5 minutes", "5m"), ("1 hour", "1h"))
            ],
            unit=Unit.SHARE,
            width=12,
            turns={0.05: Colour.LATE, 0.72: Colour.WORST},
            colours={"5 minutes": Colour.PLAIN, "1 hour": Colour.OTHER},
        ),
    ],
)

COMING = Row(
    "Coming in",
    [
        Panel(
            "Time to join, viewers by WebSocket",
            "From the request until the client is connected.",
            [Query(HERE.quantile(part, SECONDS, 'role="play"'), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            colours=QUANTILES,
        ),
        Panel(
            "Time to join, viewers by WHEP",
            "From the request until the client is connected.",
            [Query(HERE.quantile(part, SECONDS, 'role="whep"'), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            colours=QUANTILES,
        ),
        Panel(
            "Time to the first packet",
            "From the request at the edge to the first media packet that it sends.",
            [Query(HERE.quantile(part, FIRST), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            turns={0.5: Colour.BAD},
            colours=QUANTILES,
        ),
        Panel(
            "Joins by outcome",
            "By role and outcome. docs/reference/errors.md explains the codes.",
            [Query(HERE.rate(JOINS, PLAYING, by=("role", "outcome")), "{{role}} {{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Waiting viewers, and nodes that were asked twice",
            "Waiting viewers are told when the stream begins. A retry is a node that refused or did not answer.",
            [
                Query(HERE.sum("rillcast_signaling_waiting_viewers"), "wait for a stream"),
                Query(
                    HERE.rate("rillcast_signaling_placement_retries_total", by="kind"), "retries at another {{kind}}"
                ),
                Query(
                    HERE.rate("rillcast_signaling_node_waits_total", by=("kind", "outcome")),
                    "waits for {{kind}}: {{outcome}}",
                ),
            ],
            colours={"in_vain|too_many": Colour.WORST},
        ),
        Panel(
            "Admissions by outcome",
            "Clients that asked to be let in, by any protocol.",
            [Query(HERE.rate("rillcast_signaling_admissions_total", by=("role", "outcome")), "{{role}} {{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
    ],
)

WATCHING = Row(
    "Watching",
    [
        Panel(
            "Packets asked for again, and not sent",
            "Of all packets that edges sent. Up to one in fifty is usual on the Internet, and is repaired.",
            [
                Query(
                    f"{HERE.rate(name)} / ({HERE.rate('rillcast_plane_packets_total', OUTWARD, EDGE)} > 0)",
                    legend,
                )
                for legend, name in (
                    ("asked for again", "rillcast_edge_nacked_packets_total"),
                    ("repaired", "rillcast_edge_repaired_packets_total"),
                    ("not sent", "rillcast_edge_dropped_packets_total"),
                )
            ],
            unit=Unit.SHARE,
            colours={"asked": Colour.LATE, "repaired": Colour.GOOD, "not sent": Colour.WORST},
        ),
        Panel(
            "Standstills of a viewer in a minute",
            "How often a picture most likely stood still, by cause. undecodable: the viewer missed something and asked "
            "for a keyframe. late: its packets wait for its link. silent: no packet came in at the edge.",
            [
                Query(
                    f"60 * {HERE.rate('rillcast_edge_freezes_estimated_total', by='cause')} / "
                    f"on () group_left () ({HERE.sum('rillcast_edge_viewers')} > 0)",
                    "{{cause}}",
                )
            ],
            form=Form.AREAS,
            colours={"undecodable": Colour.OTHER, "late": Colour.LATE, "silent": Colour.WORST},
            nothing="no picture stood still",
        ),
        Panel(
            "Loss that viewers report",
            "Of the packets sent to a viewer in a second, before repair. p95 above a tenth: pictures break for some.",
            [Query(HERE.quantile(part, "rillcast_edge_viewer_loss_ratio"), name) for name, part in PARTS],
            unit=Unit.SHARE,
            turns={0.02: Colour.LATE, 0.1: Colour.WORST},
            colours=QUANTILES,
        ),
        Panel(
            "Round trip to viewers",
            "What lies between an edge and a viewer. If it is long for most, an edge nearer to them is missing.",
            [Query(HERE.quantile(part, "rillcast_edge_viewer_rtt_seconds"), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            colours=QUANTILES,
        ),
        Panel(
            "First picture, as players report it",
            "From the wish to watch to the first picture, of players that can tell: the pages of Rillcast do.",
            [Query(HERE.quantile(part, "rillcast_signaling_player_first_frame_seconds"), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            turns={1: Colour.LATE, 3: Colour.WORST},
            colours=QUANTILES,
            nothing="no player reports",
        ),
        Panel(
            "Standstills, as players report them",
            "Of players that can tell: how often their pictures stood still, and which part of a second that took, of "
            "all of them together.",
            [
                Query(HERE.rate("rillcast_signaling_player_freezes_total"), "standstills/s"),
                Query(HERE.rate("rillcast_signaling_player_frozen_seconds_total"), "stood still"),
            ],
            colours={"standstills": Colour.BAD, "stood": Colour.WORST},
            nothing="no player reports",
        ),
        Panel(
            "Changes of rendition, of each viewer in a minute",
            "down: the link carries less. lost: the rendition came no more.",
            [
                Query(
                    f"60 * {HERE.rate('rillcast_edge_rendition_switches_total', by='cause')} / "
                    f"on () group_left () ({HERE.sum('rillcast_edge_viewers')} > 0)",
                    "{{cause}}",
                )
            ],
            colours={"^up": Colour.GOOD, "^down": Colour.LATE, "lost": Colour.WORST},
            nothing="no change",
        ),
        Panel(
            "Viewers on thin links",
            "Those to whom not even the lowest rendition fits, by region.",
            [Query(HERE.sum("rillcast_edge_viewers_starved", by="region"), "{{region}}")],
            form=Form.AREAS,
        ),
        Panel(
            "Gaps when an edge died",
            "For viewers by WebSocket: from the news that their edge is gone until they are connected at another one.",
            [
                Query(HERE.quantile(0.5, "rillcast_signaling_failover_gap_seconds", window=WHOLE), "p50"),
                Query(HERE.quantile(0.95, "rillcast_signaling_failover_gap_seconds", window=WHOLE), "p95"),
            ],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            turns={1: Colour.LATE, 3: Colour.BAD},
            nothing="no edge died",
        ),
        Panel(
            "Gaps that the cluster made",
            "What viewers may have seen: relays that moved under them, publishers that moved, sessions that came from "
            "a node which drains, and backups that did not fit.",
            [
                Query(or_none(HERE.happened("rillcast_edge_relay_moves_total")), "relays moved"),
                Query(or_none(HERE.happened("rillcast_signaling_publisher_move_seconds_count")), "publishers moved"),
                Query(or_none(HERE.happened("rillcast_node_associations_taken_total")), "viewers moved"),
                Query(HERE.happened("rillcast_edge_backup_misfits_total", by="reason"), "no fit: {{reason}}"),
            ],
        ),
        Panel(
            "Why sessions ended",
            "stopped and socket_closed are viewers who left. consent_expired: the client was gone without a word.",
            [Query(HERE.happened("rillcast_edge_viewers_ended_total", by="how"), "{{how}}")],
            form=Form.AREAS,
            colours={"stopped|socket_closed": Colour.GOOD, "plane_error|dtls_failed": Colour.WORST},
        ),
        Panel(
            "What players report",
            "Events that players tell by REST, and how many of them watch by their own account. Anybody may send them.",
            [
                Query(HERE.rate("rillcast_signaling_player_events_total", by="event"), "{{event}}/s"),
                Query(
                    HERE.rate("rillcast_signaling_player_watch_seconds_total", by="protocol"),
                    "watching by {{protocol}}",
                ),
            ],
            nothing="no player reports",
        ),
    ],
)

BOARD = Board(
    "viewers",
    "Rillcast: Viewers",
    "What viewers experience: whether they come in, how soon, how well they see, and why they leave.",
    [OBJECTIVES, COMING, WATCHING],
)
