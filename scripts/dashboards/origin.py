"""Origins and what comes from publishers: places, first packets, loss, relays to others, leases."""

from __future__ import annotations

from scripts.dashboards.burning import PUBLISHING
from scripts.dashboards.panel import OUTCOMES, QUANTILES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.parts import associations, drains, media_plane
from scripts.dashboards.promql import INWARD, ORIGIN, Chosen, or_none

HERE, ANYWHERE = Chosen("node"), Chosen()
FIRST = "rillcast_origin_first_packet_seconds"
PARTS = (("p50", 0.5), ("p95", 0.95))

INGEST = Row(
    "Ingest",
    [
        Panel(
            "Origins",
            "Each origin with what it carries. Lost: packets of publishers that never came, of all that came in.",
            [
                Query(HERE.sum("rillcast_origin_publishers", by="node"), "Streams"),
                Query(HERE.sum("rillcast_origin_newcomers", by="node"), "Connecting"),
                Query(HERE.sum("rillcast_origin_relays", by="node"), "Relays"),
                Query(
                    HERE.max("rillcast_plane_busy_ratio", ORIGIN, by="node"),
                    "Busy",
                    unit=Unit.SHARE,
                    turns={0.8: Colour.BAD, 0.9: Colour.WORST},
                ),
                Query(
                    f"{HERE.rate('rillcast_origin_packets_lost_total', by='node', window='5m')} / ("
                    f"{HERE.rate('rillcast_plane_packets_total', INWARD, by='node', window='5m')} > 0)",
                    "Lost",
                    unit=Unit.SHARE,
                    turns={0.01: Colour.LATE, 0.05: Colour.WORST},
                ),
                Query(HERE.max("rillcast_draining", ORIGIN, by="node"), "Drains", turns={1: Colour.LATE}),
            ],
            form=Form.TABLE,
            width=24,
            keep=("node",),
            leads="origin",
        ),
        Panel(
            "Publishes by outcome, at origins",
            "highResourceUsage: the origin is full. streamIdInUse: somebody else has the stream.",
            [Query(HERE.happened("rillcast_origin_publishes_total", by="outcome"), "{{outcome}}")],
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Publishes by outcome, at signaling",
            "What publishers were told, by protocol. A refusal here that no origin has counted was signaling's own.",
            [
                Query(
                    ANYWHERE.rate("rillcast_signaling_joins_total", PUBLISHING, by=("role", "outcome")),
                    "{{role}} {{outcome}}",
                )
            ],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Publishers that found no place to connect",
            "id_full: too many want the same id. address_full: too many of one address.",
            [Query(HERE.happened("rillcast_origin_newcomers_refused_total", by="why"), "{{why}}")],
            colours={"^full": Colour.WORST},
            nothing="everybody found one",
        ),
        Panel(
            "Time to publish",
            "From the request until media flows, by protocol, as signaling sees it.",
            [
                Query(
                    ANYWHERE.quantile(part, "rillcast_signaling_join_seconds", PUBLISHING, by="role"),
                    f"{{{{role}}}} {name}",
                )
                for name, part in PARTS
            ],
            unit=Unit.SECONDS,
        ),
        Panel(
            "First packet of publishers",
            "From the request at the origin to the first media packet of the publisher.",
            [Query(HERE.quantile(part, FIRST), name) for name, part in PARTS],
            unit=Unit.SECONDS,
            colours=QUANTILES,
        ),
        Panel(
            "Loss from publishers",
            "lost: never came, although asked for again; every viewer misses them. recovered: came when asked for.",
            [
                Query(HERE.rate("rillcast_origin_packets_lost_total"), "lost"),
                Query(HERE.rate("rillcast_origin_packets_recovered_total"), "recovered"),
            ],
            unit=Unit.PACKETS,
            colours={"lost": Colour.WORST, "recovered": Colour.GOOD},
        ),
    ],
)

OWNING = Row(
    "Owning and giving",
    [
        Panel(
            "Streams by origin",
            "Those included that wait for their publisher to return.",
            [Query(HERE.sum("rillcast_origin_publishers", by="node"), "{{node}}")],
            form=Form.AREAS,
        ),
        Panel(
            "Relays to other nodes",
            "Tracks that origins give to edges and transcoders.",
            [Query(HERE.sum("rillcast_origin_relays", by="node"), "{{node}}")],
        ),
        Panel(
            "Questions for a relay, by outcome",
            "referred: one of the children gives it. children silent: relays that ended since the child fell silent.",
            [
                Query(HERE.rate("rillcast_origin_relay_opens_total", by="outcome"), "{{outcome}}"),
                Query(or_none(HERE.rate("rillcast_origin_relay_children_lost_total")), "children silent"),
            ],
            unit=Unit.PER_SECOND,
            colours=OUTCOMES | {"silent": Colour.WORST},
        ),
        Panel(
            "Leases",
            "forgotten: the store returned to an earlier state. no record: what lay under a key of ours was none. Both "
            "are faults of the store, and both are mended.",
            [
                Query(or_none(HERE.rate("rillcast_lease_forgotten_total")), "forgotten"),
                Query(or_none(HERE.rate("rillcast_lease_no_record_total")), "no record"),
                Query(or_none(HERE.rate("rillcast_origin_stand_downs_total")), "stood down"),
                Query(or_none(HERE.rate("rillcast_origin_settings_refused_total")), "settings refused"),
            ],
            unit=Unit.PER_SECOND,
            colours={".*": Colour.BAD},
        ),
        drains(HERE, "origin"),
        associations(HERE, "origin"),
    ],
)

BOARD = Board(
    "origin",
    "Rillcast: Origin",
    "Origins and what comes from publishers: places, first packets, loss, relays to others, leases.",
    [INGEST, OWNING, media_plane(HERE, "origin")],
    asked=(Asked.NODE,),
    kind="origin",
)
