"""All streams together: what begins, ends, moves and is shown instead."""

from __future__ import annotations

from scripts.dashboards.panel import OUTCOMES, QUANTILES, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import WHOLE, Chosen, or_none

HERE = Chosen()
MOVE = "rillcast_signaling_publisher_move_seconds"

NOW = Row(
    "Streams now",
    [
        Panel(
            "Streams",
            "Streams that origins own, those included that wait for their publisher to return.",
            [Query(HERE.sum("rillcast_origin_publishers"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "Publishers that connect",
            "They have no stream before their media comes. Many of them that stay are publishers whose media does not "
            "reach an origin.",
            [Query(HERE.sum("rillcast_origin_newcomers"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "On a backup",
            "Streams whose viewers see a backup, since nothing comes from the publisher.",
            [Query(HERE.sum("rillcast_origin_streams_on_backup"))],
            form=Form.FIGURE,
            width=4,
            height=5,
            turns={1: Colour.LATE, 5: Colour.BAD},
        ),
        Panel(
            "Ladders",
            "Streams for which transcoders make renditions.",
            [Query(HERE.sum("rillcast_transcoder_jobs"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "Viewers that wait for a stream",
            "They asked for a stream that is not live, and are told when it begins.",
            [Query(HERE.sum("rillcast_signaling_waiting_viewers"))],
            form=Form.FIGURE,
            width=4,
            height=5,
        ),
        Panel(
            "Viewers of a stream, on average",
            "All viewers divided by the streams that origins own. A stream that nobody watches still counts.",
            [Query(f"{HERE.sum('rillcast_edge_viewers')} / ({HERE.sum('rillcast_origin_publishers')} > 0)")],
            form=Form.FIGURE,
            width=4,
            height=5,
            decimals=1,
            nothing="no stream",
        ),
    ],
)

LIFE = Row(
    "How they begin and end",
    [
        Panel(
            "Streams by origin",
            "A step from one origin to another is a publisher that moved.",
            [Query(HERE.sum("rillcast_origin_publishers", by="node"), "{{node}}")],
            form=Form.AREAS,
        ),
        Panel(
            "Publishes by outcome",
            "What origins answered when signaling asked them for a place for a publisher.",
            [Query(HERE.happened("rillcast_origin_publishes_total", by="outcome"), "{{outcome}}")],
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Streams that ended, by how",
            "stopped: the publisher said so. not_returned: it was gone for too long. handed_over and drained: another "
            "origin has it. stood_down: another one claimed it with a higher epoch.",
            [Query(HERE.happened("rillcast_origin_ended_total", by="how"), "{{how}}")],
            form=Form.AREAS,
            colours={"stopped": Colour.GOOD, "not_returned": Colour.BAD, "stood_down": Colour.WORST},
        ),
        Panel(
            "Publishers that connected, by what became of them",
            "ok has its stream. no_media: it connected and nothing came. unclaimed: the store did not take the claim.",
            [Query(HERE.happened("rillcast_origin_newcomers_ended_total", by="how"), "{{how}}")],
            form=Form.AREAS,
            colours=OUTCOMES | {"no_media": Colour.BAD, "unclaimed": Colour.WORST},
        ),
        Panel(
            "Epochs and take-overs",
            "Each stream begins with one epoch. More of them without new streams are origins that take over from each "
            "other. A take-over is a publisher that came back, here or elsewhere.",
            [
                Query(or_none(HERE.happened("rillcast_origin_epoch_changes_total")), "epochs claimed"),
                Query(or_none(HERE.happened("rillcast_origin_stand_downs_total")), "stood down"),
                Query(HERE.happened("rillcast_origin_restored_total", by="place"), "came back {{place}}"),
            ],
            colours={"epochs": Colour.PLAIN, "stood down": Colour.WORST},
        ),
        Panel(
            "Changes to a backup and back",
            "taken: viewers are shown the backup. returned: the publisher is back. lost: the backup is silent as well.",
            [
                Query(
                    HERE.happened("rillcast_origin_backups_total", by="outcome"),
                    "{{outcome}}",
                )
            ],
            form=Form.AREAS,
            colours={"taken": Colour.LATE, "returned": Colour.GOOD, "lost": Colour.WORST},
            nothing="no stream has changed to a backup",
        ),
    ],
)

MOVES = Row(
    "Publishers that move",
    [
        Panel(
            "From the loss of an origin to media at another one",
            "For publishers by WebSocket. Viewers see a still picture for about so long.",
            [
                Query(HERE.quantile(0.5, MOVE, window=WHOLE), "p50"),
                Query(HERE.quantile(0.95, MOVE, window=WHOLE), "p95"),
            ],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            turns={1: Colour.LATE, 3: Colour.BAD},
            nothing="nobody has moved",
        ),
        Panel(
            "Moves by outcome",
            "moved is good. refused: no origin took it. not_connected: its media did not come at the new origin.",
            [
                Query(
                    HERE.happened("rillcast_signaling_publisher_moves_total", by="outcome"),
                    "{{outcome}}",
                )
            ],
            form=Form.AREAS,
            colours=OUTCOMES | {"not_connected|no_answer|no_offer": Colour.WORST},
            nothing="nobody has moved",
        ),
        Panel(
            "First packet of publishers",
            "From the request to the first media packet of the publisher, at the origin.",
            [
                Query(HERE.quantile(part, "rillcast_origin_first_packet_seconds"), name)
                for name, part in (("p50", 0.5), ("p95", 0.95))
            ],
            unit=Unit.SECONDS,
            colours=QUANTILES,
        ),
    ],
)

BOARD = Board(
    "streams",
    "Rillcast: Streams",
    "All streams together: what begins, ends, moves, and is shown instead. One stream has a dashboard of its own.",
    [NOW, LIFE, MOVES],
)
