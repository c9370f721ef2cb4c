"""The license: whether it holds, for how long, and who has a seat."""

from __future__ import annotations

from scripts.dashboards.panel import Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import IN_ALL, WHOLE, Chosen

HERE = Chosen()
DAY_S = 86_400
SEATS = HERE.sum("rillcast_license_seats_used", by=("node", "kind"))


def days_until(series: str) -> str:
    """Days until a time that some node tells; nothing when there is none."""
    return f"(min ({HERE.of(series)} > 0) - time()) / {DAY_S}"


NOW = Row(
    "The license now",
    [
        Panel(
            "Needs its operator",
            "It ends within 30 days, has ended, or a document was refused. `rillcast license status` says why.",
            [Query(HERE.max("rillcast_license_warning"))],
            form=Form.FIGURE,
            width=4,
            height=5,
            words={0.0: ("no", Colour.GOOD), 1.0: ("yes", Colour.WORST)},
        ),
        Panel(
            "State",
            "valid; grace: it has ended and all goes on; suspended: no new publish, play or seat.",
            [Query(HERE.max("rillcast_license_state", by="state") + " == 1", "{{state}}")],
            form=Form.FIGURE,
            width=4,
            height=5,
            name_alone=True,
        ),
        Panel(
            "Ends in",
            "Nothing is shown for a license that never ends, as the built-in one.",
            [Query(days_until("rillcast_license_expires_timestamp_seconds"))],
            form=Form.FIGURE,
            unit=Unit.DAYS,
            width=4,
            height=5,
            decimals=0,
            turns={7: Colour.BAD, 30: Colour.GOOD},
            low_is_bad=True,
            nothing="never",
        ),
        Panel(
            "New sessions stop in",
            "The end of the grace time: then nobody new publishes or plays. What runs goes on.",
            [Query(days_until("rillcast_license_suspends_timestamp_seconds"))],
            form=Form.FIGURE,
            unit=Unit.DAYS,
            width=4,
            height=5,
            decimals=0,
            turns={7: Colour.BAD, 30: Colour.GOOD},
            low_is_bad=True,
            nothing="never",
        ),
        Panel(
            "Seats taken",
            "Of those that the license grants in all. A node without a seat takes no new work.",
            [Query(f"max (sum by (node) ({SEATS})) / max ({HERE.of('rillcast_license_seats_limit', IN_ALL)} > 0)")],
            form=Form.FIGURE,
            unit=Unit.SHARE,
            width=4,
            height=5,
            turns={0.8: Colour.LATE, 0.9: Colour.BAD, 1: Colour.WORST},
            nothing="no limit",
        ),
        Panel(
            "Built-in license",
            "Whether the community license is in force, which comes with Rillcast.",
            [Query(HERE.max("rillcast_license_community"))],
            form=Form.FIGURE,
            width=4,
            height=5,
            words={0.0: ("no", Colour.PLAIN), 1.0: ("yes", Colour.PLAIN)},
        ),
    ],
)

SEATED = Row(
    "Seats",
    [
        Panel(
            "Seats by kind, and the limits",
            "What the license service has given out. Dashed: what the license grants.",
            [
                Query(f"max by (kind) ({SEATS})", "{{kind}}"),
                Query(HERE.max("rillcast_license_seats_limit", by="kind"), "limit {{kind}}"),
            ],
            colours={"limit": Colour.WORST},
            bounds="limit",
        ),
        Panel(
            "Seats of nodes, by state",
            "unconfirmed: held, and the service does not answer now. lapsed: for longer than the license allows.",
            [Query(HERE.sum("rillcast_license_seat", by="state"), "{{state}}")],
            form=Form.AREAS,
            colours={
                "held": Colour.GOOD,
                "unconfirmed": Colour.LATE,
                "waiting": Colour.PLAIN,
                "lapsed|refused": Colour.WORST,
            },
        ),
        Panel(
            "Answers to requests for a seat",
            "granted, renewed and released are in order. replaced: another process took the seat of the same node.",
            [Query(HERE.rate("rillcast_license_seat_answers_total", by="outcome"), "{{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours={"granted|renewed": Colour.GOOD, "refused|unavailable": Colour.WORST},
        ),
        Panel(
            "Nodes without a seat",
            "They take no new work until they have one.",
            [
                Query(
                    HERE.max(
                        "rillcast_license_seat", 'state=~"waiting|lapsed|refused"', by=("node", "service", "state")
                    )
                    + " == 1",
                )
            ],
            form=Form.TABLE,
            keep=("node", "service", "state"),
            leads="bus",
            nothing="Every node has one",
        ),
        Panel(
            "Node-hours under this license",
            "By kind of node, as the report of usage tells them.",
            [Query(HERE.max("rillcast_license_node_hours", by="kind"), "{{kind}}")],
            unit=Unit.HOURS,
            form=Form.AREAS,
        ),
        Panel(
            "Documents refused, and signaling without an answer",
            "License documents that were turned down, by reason; signaling instances whom no license service answers.",
            [
                Query(
                    HERE.happened("rillcast_license_documents_refused_total", by="reason", window=WHOLE),
                    "refused: {{reason}}",
                ),
                Query(f"sum (1 - {HERE.of('rillcast_signaling_license_known')})", "signaling without an answer"),
            ],
            colours={".*": Colour.WORST},
        ),
    ],
)

BOARD = Board(
    "license",
    "Rillcast: License",
    "The license: whether it holds, for how long, and who has a seat.",
    [NOW, SEATED],
)
