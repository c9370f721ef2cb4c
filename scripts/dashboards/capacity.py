"""What runs out next if everything goes on growing as it did in the time shown."""

from __future__ import annotations

from scripts.dashboards.panel import Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import EDGE, IN_ALL, ORIGIN, OUTWARD, Chosen

HERE = Chosen()
FULL = 0.9
"""The share at which a media node takes nobody new (`RILLCAST_EDGE_MAX_BUSY`)."""
ENCODERS_FULL = 0.85
"""The share of its processors at which a transcoder begins no more ladders."""
HOUR_S, DAY_S = 3_600, 86_400
EDGES = f"avg ({HERE.max('rillcast_plane_busy_ratio', EDGE, by='node')})"
ORIGINS = f"avg ({HERE.max('rillcast_plane_busy_ratio', ORIGIN, by='node')})"
ENCODERS = f"avg ({HERE.of('rillcast_transcoder_cpu_ratio')})"
SOCKETS = f"{HERE.sum('rillcast_signaling_sockets')} / {HERE.sum('rillcast_signaling_max_sockets')}"
SEATS = (
    f"max ({HERE.sum('rillcast_license_seats_used', by='node')}) / "
    f"max ({HERE.of('rillcast_license_seats_limit', IN_ALL)} > 0)"
)
LIMITS = (
    ("edges", EDGES, FULL),
    ("origins", ORIGINS, FULL),
    ("transcoders", ENCODERS, ENCODERS_FULL),
    ("sockets", SOCKETS, 1.0),
    ("seats", SEATS, 1.0),
)
"""What can be full: its name, the part that is used, and at which part it is full."""
VIEWERS = HERE.sum("rillcast_edge_viewers")
OUT = f"8 * {HERE.rate('rillcast_plane_bytes_total', OUTWARD, EDGE)}"
NO_GROWTH = "none grows"


def left(used: str, full: float) -> str:
    """Seconds until a part that grows is full. Nothing while it does not grow."""
    return f"({full} - ({used})) / (deriv(({used})[$__range:1m]) > 0)"


def then(used: str, seconds: int) -> str:
    """What it will be after so long, at this growth."""
    return f"clamp_min(predict_linear(({used})[$__range:1m], {seconds}), 0)"


NEXT = Row(
    "What runs out next, at the growth of the time shown",
    [
        Panel(
            "Time left",
            "Until edges, origins or transcoders take nobody new on average, no socket is free, and no seat. It "
            "follows the growth of the time that is shown above: choose a day or a week. What does not grow is "
            "not shown.",
            [Query(left(used, full), name) for name, used, full in LIMITS],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            width=12,
            decimals=1,
            turns={4 * HOUR_S: Colour.BAD, 3 * DAY_S: Colour.LATE, 14 * DAY_S: Colour.GOOD},
            low_is_bad=True,
            nothing=NO_GROWTH,
        ),
        Panel(
            "Full now",
            "The part that is used, on average over the nodes of a kind. Media nodes are full at 90 %, transcoders at "
            "85 %.",
            [Query(used, name) for name, used, _ in LIMITS],
            form=Form.BARS,
            unit=Unit.SHARE,
            width=6,
            at_most=1,
            turns={0.7: Colour.LATE, 0.8: Colour.BAD, 0.9: Colour.WORST},
        ),
        Panel(
            "Full in a day",
            "The same, at this growth.",
            [Query(then(used, DAY_S), name) for name, used, _ in LIMITS],
            form=Form.BARS,
            unit=Unit.SHARE,
            width=6,
            at_most=1,
            turns={0.7: Colour.LATE, 0.8: Colour.BAD, 0.9: Colour.WORST},
        ),
    ],
)

ROOM = Row(
    "Edges",
    [
        Panel(
            "Viewers, and what they will be in an hour",
            "At this growth. The third curve is how many would fit into the edges that there are, if all viewers cost "
            "as much as those of now.",
            [
                Query(VIEWERS, "now"),
                Query(then(VIEWERS, HOUR_S), "in an hour"),
                Query(f"{VIEWERS} * {FULL} / ({EDGES} > 0.02)", "would fit"),
            ],
            colours={"now": Colour.PLAIN, "hour": Colour.OTHER, "fit": Colour.WORST},
            bounds="fit",
        ),
        Panel(
            "Edges that would be needed",
            "So many edges carry the viewers of now at 70 % of their time, and those of tomorrow at this growth. There "
            "are: the edges that take new work.",
            [
                Query(f"ceil({HERE.sum('rillcast_ready', EDGE)} * ({EDGES}) / 0.7)", "for now"),
                Query(
                    f"clamp_min(ceil({HERE.sum('rillcast_ready', EDGE)} * ({then(EDGES, DAY_S)}) / 0.7), 1)",
                    "for tomorrow",
                ),
                Query(HERE.sum("rillcast_ready", EDGE), "there are"),
            ],
            form=Form.FIGURE,
            decimals=0,
        ),
        Panel(
            "Busiest and average edge",
            "Far apart: one stream is larger than the rest, or an edge is slower. Together: more edges are needed.",
            [
                Query(HERE.max("rillcast_plane_busy_ratio", EDGE), "busiest"),
                Query(EDGES, "average"),
            ],
            unit=Unit.SHARE,
            at_most=1,
            turns={FULL: Colour.WORST},
            colours={"busiest": Colour.BAD, "average": Colour.PLAIN},
        ),
        Panel(
            "Bandwidth to viewers, and in a day",
            "What leaves all edges, and what it will be at this growth.",
            [Query(OUT, "now"), Query(then(OUT.replace("$__rate_interval", "5m"), DAY_S), "in a day")],
            unit=Unit.BITS,
            colours={"now": Colour.PLAIN, "day": Colour.OTHER},
        ),
        Panel(
            "Refused for want of room",
            "Who asked for a place and got none: then it is too late. By what they wanted.",
            [
                Query(
                    HERE.rate(
                        "rillcast_signaling_joins_total", 'outcome=~"highResourceUsage|no_node_available"', by="role"
                    ),
                    "{{role}}",
                ),
                Query(HERE.rate("rillcast_signaling_places_refused_total", by=("place", "why")), "{{place}} {{why}}"),
            ],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours={".*": Colour.WORST},
            nothing="nobody was refused",
        ),
        Panel(
            "Bandwidth of a viewer",
            "What leaves edges, divided by their viewers: the rung of the ladder that viewers see on average.",
            [Query(f"{OUT} / ({VIEWERS} > 0)", "a viewer")],
            unit=Unit.BITS,
            colours={"viewer": Colour.PLAIN},
        ),
    ],
)

REST = Row(
    "The others",
    [
        Panel(
            "Origins and transcoders",
            "On average over the nodes of a kind. Dashed: full.",
            [Query(ORIGINS, "origins"), Query(ENCODERS, "transcoders")],
            unit=Unit.SHARE,
            at_most=1,
            turns={ENCODERS_FULL: Colour.WORST},
            colours={"origins": Colour.PLAIN, "transcoders": Colour.OTHER},
        ),
        Panel(
            "Sockets of signaling",
            "Open sockets of clients, and how many there may be.",
            [
                Query(HERE.sum("rillcast_signaling_sockets", by="node"), "{{node}}"),
                Query(HERE.max("rillcast_signaling_max_sockets", by="node"), "limit of {{node}}"),
            ],
            colours={"limit": Colour.WORST},
            bounds="limit",
        ),
        Panel(
            "Seats",
            "Seats that are taken, what the license grants in all, and what will be taken in a week at this growth.",
            [
                Query(f"max ({HERE.sum('rillcast_license_seats_used', by='node')})", "taken"),
                Query(HERE.max("rillcast_license_seats_limit", IN_ALL) + " > 0", "granted"),
                Query(then(f"max ({HERE.sum('rillcast_license_seats_used', by='node')})", 7 * DAY_S), "in a week"),
            ],
            colours={"taken": Colour.PLAIN, "granted": Colour.WORST, "week": Colour.OTHER},
            bounds="granted",
        ),
    ],
)

BOARD = Board(
    "capacity",
    "Rillcast: Capacity",
    "What runs out next if everything goes on growing as it did in the time shown.",
    [NEXT, ROOM, REST],
    hours=24,
)
