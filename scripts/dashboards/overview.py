"""The first dashboard: whether everybody watches well, if not who and why, and what runs out next."""

from __future__ import annotations

from scripts.dashboards.burning import BAD_JOINS, COUNTED_JOINS, PLAYING
from scripts.dashboards.panel import DIRECTIONS, OUTCOMES, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.parts import standstills
from scripts.dashboards.promql import EDGE, IN_ALL, NOT_OK, ORIGIN, WHOLE, Chosen, or_none, share

HERE = Chosen()
JOINS = "rillcast_signaling_joins_total"
FIRST = "rillcast_edge_first_packet_seconds"
DAY_S = 86_400

WELL = Row(
    "Is everybody watching well?",
    [
        Panel(
            "Viewers",
            "Sessions of viewers at all edges, those still connecting included.",
            [Query(HERE.sum("rillcast_edge_viewers"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "Streams",
            "Streams that origins own, those included that wait for their publisher to return.",
            [Query(HERE.sum("rillcast_origin_publishers"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "Joins of viewers that fail",
            "Of all joins in the last five minutes: refused for want of room or of a node, failed, or lost to a fault "
            "of the cluster. Refusals that are the client's own fault are not counted.",
            [
                Query(
                    share(
                        HERE.rate(JOINS, PLAYING, BAD_JOINS, window="5m"),
                        HERE.rate(JOINS, PLAYING, COUNTED_JOINS, window="5m"),
                    )
                )
            ],
            form=Form.FIGURE,
            unit=Unit.SHARE,
            width=4,
            height=5,
            decimals=1,
            turns={0.01: Colour.LATE, 0.06: Colour.BAD, 0.144: Colour.WORST},
        ),
        Panel(
            "First packet, 95 of 100",
            "So long after its request, 95 of 100 viewers of the last five minutes had their first media packet. The "
            "objective is half a second. It says so when nobody has joined.",
            [Query(HERE.quantile(0.95, FIRST, window="5m"))],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            width=4,
            height=5,
            turns={0.5: Colour.LATE, 1: Colour.BAD, 2: Colour.WORST},
            nothing="nobody joined",
        ),
        Panel(
            "Standstills of a viewer in a minute",
            "How often the picture of a viewer most likely stood still, on average over all viewers and five minutes. "
            "0.2 is one standstill in five minutes for everybody.",
            [Query(standstills(HERE, "5m"))],
            form=Form.FIGURE,
            width=4,
            height=5,
            decimals=2,
            turns={0.05: Colour.LATE, 0.2: Colour.BAD, 1: Colour.WORST},
        ),
        Panel(
            "Alerts",
            "Alerts that fire now, by what they mean for users: critical (somebody suffers), warning (somebody will).",
            [
                Query(or_none('count(ALERTS{alertstate="firing",severity="critical"})'), "critical"),
                Query(
                    or_none('count(ALERTS{alertstate="firing",severity="warning"})'), "warning", turns={1: Colour.BAD}
                ),
            ],
            form=Form.FIGURE,
            width=4,
            height=5,
            turns={1: Colour.WORST},
        ),
    ],
)

WHO = Row(
    "If not: who, and why?",
    [
        Panel(
            "What fires",
            "Alerts that fire now. docs/operations.md has a section for each: what it means, how to look, what to do.",
            [Query('max by (alertname, severity, service, node) (ALERTS{alertstate="firing"})')],
            form=Form.TABLE,
            keep=("alertname", "severity", "service", "node"),
            nothing="No alert fires",
        ),
        Panel(
            "Why viewers did not come in",
            "Joins of viewers that were refused or failed in the time shown, by outcome. docs/reference/errors.md "
            "explains each word. no_stream_exist is a viewer who came too early, and now waits.",
            [
                Query(
                    f"sort_desc({HERE.happened(JOINS, PLAYING, NOT_OK, by='outcome', window=WHOLE)} > 0)",
                    "{{outcome}}",
                )
            ],
            form=Form.BARS,
            decimals=0,
            colours={".*": Colour.LATE} | OUTCOMES | {"no_stream_exist": Colour.PLAIN},
            nothing="Everybody came in",
        ),
        Panel(
            "Nodes that are not well",
            "Each node with something to say: it takes nothing new without being drained, it does not hear the bus, it "
            "has no seat, or its busiest media thread works for more than 80 % of the time. A click on a node leads to "
            "its bus and discovery.",
            [
                Query(f"{HERE.max('rillcast_ready', by=('node', 'service'))} == 0", "Ready", turns={0: Colour.BAD}),
                Query(
                    f"{HERE.max('rillcast_bus_connected', by=('node', 'service'))} == 0", "Bus", turns={0: Colour.WORST}
                ),
                Query(
                    HERE.max("rillcast_license_seat", 'state=~"refused|lapsed"', by=("node", "service")) + " == 1",
                    "No seat",
                    turns={1: Colour.WORST},
                ),
                Query(
                    HERE.max("rillcast_plane_busy_ratio", by=("node", "service")) + " > 0.8",
                    "Busy",
                    unit=Unit.SHARE,
                    turns={0.8: Colour.BAD, 0.9: Colour.WORST},
                ),
            ],
            form=Form.TABLE,
            keep=("node", "service"),
            leads="bus",
            nothing="Every node is well",
        ),
    ],
)

NEXT = Row(
    "What runs out next?",
    [
        Panel(
            "How full",
            "Each limit that can refuse somebody, as a part of what there is. Media threads and encoders are full at "
            "90 %: then their nodes take nobody new. The dashboard Capacity tells when.",
            [
                Query(HERE.max("rillcast_plane_busy_ratio", EDGE), "busiest edge"),
                Query(HERE.max("rillcast_plane_busy_ratio", ORIGIN), "busiest origin"),
                Query(HERE.max("rillcast_transcoder_cpu_ratio"), "busiest transcoder"),
                Query(
                    f"max ({HERE.of('rillcast_signaling_sockets')} / {HERE.of('rillcast_signaling_max_sockets')})",
                    "sockets of a signaling instance",
                ),
                Query(
                    f"max ({HERE.sum('rillcast_license_seats_used', by='node')})"
                    f" / max ({HERE.of('rillcast_license_seats_limit', IN_ALL)} > 0)",
                    "seats of the license",
                ),
            ],
            form=Form.BARS,
            unit=Unit.SHARE,
            width=10,
            at_most=1,
            turns={0.7: Colour.LATE, 0.8: Colour.BAD, 0.9: Colour.WORST},
        ),
        Panel(
            "Days until something expires",
            "The license: until new sessions are refused. Certificates: of the TLS listener and of NATS. There is no "
            "figure for what never expires.",
            [
                Query(
                    f"(min ({HERE.of('rillcast_license_suspends_timestamp_seconds')} > 0) - time()) / {DAY_S}",
                    "license",
                ),
                Query(
                    f"(min ({HERE.of('rillcast_http_certificate_expires_timestamp_seconds')} > 0) - time()) / {DAY_S}",
                    "certificate for clients",
                ),
                Query(
                    f"(min ({HERE.of('rillcast_bus_certificate_expires_timestamp_seconds')} > 0) - time()) / {DAY_S}",
                    "certificate of NATS",
                ),
            ],
            form=Form.FIGURE,
            unit=Unit.DAYS,
            width=6,
            decimals=0,
            turns={7: Colour.BAD, 30: Colour.GOOD},
            low_is_bad=True,
            nothing="nothing expires",
        ),
        Panel(
            "Nodes that take new work",
            "By kind. A kind with none refuses everybody who needs it.",
            [Query(HERE.sum("rillcast_ready", by="service"), "{{service}}")],
            form=Form.FIGURE,
            width=8,
            turns={1: Colour.GOOD},
            low_is_bad=True,
        ),
    ],
)

TIMES = Row(
    "The last hour",
    [
        Panel(
            "Viewers by region",
            "Sessions at edges. A step down in one region alone is a fault there.",
            [Query(HERE.sum("rillcast_edge_viewers", by="region"), "{{region}}")],
            form=Form.AREAS,
        ),
        Panel(
            "Joins by outcome",
            "Sessions of viewers and publishers that were asked for, each second.",
            [Query(HERE.rate(JOINS, by="outcome"), "{{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Bandwidth of clients and relays",
            "Payload of datagrams through all media planes. What leaves edges are the viewers.",
            [
                Query(
                    f"8 * {HERE.rate('rillcast_plane_bytes_total', by=('service', 'direction'))}",
                    "{{service}} {{direction}}",
                )
            ],
            unit=Unit.BITS,
            colours={"edge out": Colour.OTHER, "origin in": Colour.PLAIN} | DIRECTIONS,
        ),
    ],
)

BOARD = Board(
    "overview",
    "Rillcast: Overview",
    "Is everybody watching well? If not: who, and why? What runs out next?",
    [WELL, WHO, NEXT, TIMES],
)
