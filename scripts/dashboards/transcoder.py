"""Transcoders: ladders, encoders, frames that were left out, and how full they are."""

from __future__ import annotations

from scripts.dashboards.panel import OUTCOMES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.parts import drains, media_plane
from scripts.dashboards.promql import TRANSCODER, Chosen, or_none

HERE = Chosen("node")

LADDERS = Row(
    "Ladders",
    [
        Panel(
            "Transcoders",
            "Each transcoder with what it makes. At 85 % of its processors it begins no more ladders.",
            [
                Query(HERE.sum("rillcast_transcoder_jobs", by="node"), "Ladders"),
                Query(HERE.sum("rillcast_transcoder_encoders", by="node"), "Encoders"),
                Query(HERE.sum("rillcast_transcoder_relays", by="node"), "Relays"),
                Query(
                    HERE.max("rillcast_transcoder_cpu_ratio", by="node"),
                    "Processors",
                    unit=Unit.SHARE,
                    turns={0.7: Colour.LATE, 0.85: Colour.WORST},
                ),
                Query(HERE.max("rillcast_draining", TRANSCODER, by="node"), "Drains", turns={1: Colour.LATE}),
            ],
            form=Form.TABLE,
            width=24,
            height=6,
            keep=("node",),
            leads="transcoder",
        ),
        Panel(
            "Processors used for decoding and encoding",
            "The share of all processors of the machine. At 85 % no ladder is begun, and above it rungs are dropped.",
            [Query(HERE.max("rillcast_transcoder_cpu_ratio", by="node"), "{{node}}")],
            unit=Unit.SHARE,
            at_most=1,
            turns={0.7: Colour.LATE, 0.85: Colour.WORST},
        ),
        Panel(
            "Ladders and rungs",
            "A ladder is held by lease, watched or not. Only rungs that somebody watches are encoded.",
            [
                Query(HERE.sum("rillcast_transcoder_jobs"), "ladders"),
                Query(HERE.sum("rillcast_transcoder_encoders"), "rungs encoded"),
                Query(HERE.sum("rillcast_transcoder_relays"), "relays of rungs"),
            ],
            colours={"ladders": Colour.PLAIN, "encoded": Colour.OTHER},
        ),
        Panel(
            "Source frames",
            "encoded is good. left_out: there was too much to do. lost: the network lost them before.",
            [Query(HERE.rate("rillcast_transcoder_frames_total", by="fate"), "{{fate}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours={"encoded": Colour.GOOD, "left_out": Colour.WORST, "lost": Colour.BAD},
        ),
        Panel(
            "Ladders that ended, and ladders that were not made",
            "stream: it is over. lease: another transcoder has it. overload, failed: a fault of the transcoder.",
            [
                Query(HERE.happened("rillcast_transcoder_jobs_ended_total", by="reason"), "ended: {{reason}}"),
                Query(HERE.happened("rillcast_transcoder_refused_total", by="reason"), "not made: {{reason}}"),
            ],
            form=Form.AREAS,
            colours={"stream": Colour.GOOD, "overload|failed": Colour.WORST, "not made": Colour.BAD},
            nothing="none has ended",
        ),
        Panel(
            "Who takes which ladder",
            "Attempts to take one. lost: another transcoder was first. unavailable: the store did not answer.",
            [
                Query(HERE.happened("rillcast_transcoder_claims_total", by="outcome"), "claim {{outcome}}"),
                Query(HERE.happened("rillcast_transcoder_feeds_total", by="outcome"), "source {{outcome}}"),
            ],
            colours={"won|ok": Colour.GOOD, "unavailable": Colour.WORST},
        ),
        Panel(
            "Rungs dropped, encoders opened",
            "overload: viewers of the rung were given another one. A failed encoder is a fault of the machine.",
            [
                Query(HERE.happened("rillcast_transcoder_rungs_dropped_total", by="reason"), "dropped: {{reason}}"),
                Query(
                    HERE.happened("rillcast_transcoder_encoders_opened_total", by=("encoder", "outcome")),
                    "{{encoder}} {{outcome}}",
                ),
            ],
            colours=OUTCOMES | {"dropped": Colour.WORST},
        ),
        Panel(
            "Faults survived",
            "By kind. malformed and decode are broken media of publishers. stuck, overflow and engine are faults here.",
            [Query(HERE.happened("rillcast_transcoder_errors_total", by="kind"), "{{kind}}")],
            colours={"stuck|overflow|engine|encode": Colour.WORST},
            nothing="no fault",
            width=6,
        ),
        Panel(
            "Waits and encodes, 95 of 100 within",
            "How long a frame waited for its decoder, and how long a picture of a rung took to be encoded. At 30 "
            "pictures in a second, there are 33 ms for each.",
            [
                Query(HERE.quantile(0.95, "rillcast_transcoder_queue_seconds"), "wait"),
                Query(HERE.quantile(0.95, "rillcast_transcoder_encode_seconds", by="encoder"), "encode {{encoder}}"),
            ],
            unit=Unit.SECONDS,
            turns={0.033: Colour.LATE, 0.1: Colour.WORST},
            colours={"wait": Colour.PLAIN},
            nothing="nothing is encoded",
            width=6,
        ),
        Panel(
            "Relays of rungs, by outcome",
            "Questions of edges for a rung. children silent: relays that were removed since the edge fell silent.",
            [
                Query(HERE.rate("rillcast_transcoder_relay_opens_total", by="outcome"), "{{outcome}}"),
                Query(or_none(HERE.rate("rillcast_transcoder_relay_children_lost_total")), "children silent"),
            ],
            unit=Unit.PER_SECOND,
            colours=OUTCOMES | {"silent": Colour.WORST},
            width=6,
        ),
        drains(HERE, "transcoder", width=6),
    ],
)

BOARD = Board(
    "transcoder",
    "Rillcast: Transcoder",
    "Transcoders: ladders, encoders, frames that were left out, and how full they are.",
    [LADDERS, media_plane(HERE, "transcoder")],
    asked=(Asked.NODE,),
    kind="transcoder",
)
