"""One stream. No series has a label for it, so its traces and the console tell of it, and its nodes of the rest."""

from __future__ import annotations

from scripts.dashboards.panel import DIRECTIONS, QUANTILES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import Chosen, or_none

HERE = Chosen("node")
TAGS = "rillcast.stream=$stream"
WORDS = """
### $app / $stream

* **[The stream in the console](${console}#/streams/$app/$stream)**: its path from the publisher to the edges, its
  renditions, bit rates and loss, who watches it, and what happened to it.
* **[Who watched it, and what became of them](${console}#/sessions?app=$app&stream=$stream)**.
* In a terminal: `rillcast streams`, `rillcast sessions --stream $stream`, `rillcast trace $stream`.
* Write the names of the app and of the stream above, and choose under *Node* the nodes that carry it. The console
  names them, and so do the traces below.

Series have no label for a stream: a cluster sees more streams in a month than Prometheus keeps series. What is counted
is counted for each node. What happened to one stream is in its traces, and in the journal that the console shows.
"""

WHAT = Row(
    "The stream",
    [
        Panel("", WORDS, form=Form.TEXT, width=24, height=7),
        Panel(
            "Joins of viewers and publishers",
            "Traces of this stream that began at signaling, from Jaeger. A click on one shows all its parts, down to "
            "the node that refused or was slow.",
            [Query(TAGS, "rillcast-signaling")],
            form=Form.TRACES,
            width=12,
            height=9,
            nothing="No trace of this stream",
        ),
        Panel(
            "At edges",
            "Traces in which an edge took part: who plays the stream, and where the edge got it from.",
            [Query(TAGS, "rillcast-edge")],
            form=Form.TRACES,
            width=6,
            height=9,
            nothing="No trace of this stream",
        ),
        Panel(
            "At origins",
            "Traces in which an origin took part: the publishes of the stream, and its moves.",
            [Query(TAGS, "rillcast-origin")],
            form=Form.TRACES,
            width=6,
            height=9,
            nothing="No trace of this stream",
        ),
    ],
)

NODES = Row(
    "The nodes that carry it",
    [
        Panel(
            "Viewers there",
            "Of all streams that these edges serve.",
            [Query(HERE.sum("rillcast_edge_viewers", by="node"), "{{node}}")],
            width=6,
        ),
        Panel(
            "First packet there",
            "From the request to the first packet, for all viewers of these edges.",
            [
                Query(HERE.quantile(part, "rillcast_edge_first_packet_seconds", by="node"), f"{{{{node}}}} {name}")
                for name, part in (("p50", 0.5), ("p95", 0.95))
            ],
            unit=Unit.SECONDS,
            width=6,
            colours={f"{name}$": colour for name, colour in QUANTILES.items()},
        ),
        Panel(
            "Loss there",
            "Packets that publishers lost for good, and packets that viewers asked for again.",
            [
                Query(or_none(HERE.rate("rillcast_origin_packets_lost_total", by="node")), "lost before {{node}}"),
                Query(HERE.rate("rillcast_edge_nacked_packets_total", by="node"), "asked again of {{node}}"),
            ],
            unit=Unit.PACKETS,
            width=6,
            colours={"lost": Colour.WORST},
        ),
        Panel(
            "Bandwidth there",
            "Payload through the media planes of these nodes.",
            [
                Query(
                    f"8 * {HERE.rate('rillcast_plane_bytes_total', by=('node', 'direction'))}", "{{node}} {{direction}}"
                )
            ],
            unit=Unit.BITS,
            width=6,
            colours=DIRECTIONS,
        ),
        Panel(
            "Relays that fell silent or moved",
            "A parent that fell silent, and a relay that was opened anew, are gaps that viewers may have seen.",
            [
                Query(or_none(HERE.rate("rillcast_edge_relay_parents_lost_total")), "parents lost"),
                Query(or_none(HERE.rate("rillcast_edge_relay_moves_total")), "moved"),
                Query(or_none(HERE.rate("rillcast_edge_layers_stopped_total")), "layers stopped"),
            ],
            unit=Unit.PER_SECOND,
            width=8,
            colours={"lost": Colour.WORST, "moved": Colour.LATE},
        ),
        Panel(
            "Busiest media thread",
            "Above 90 % a node takes nobody new, and packets may come late.",
            [Query(HERE.max("rillcast_plane_busy_ratio", by="node"), "{{node}}")],
            unit=Unit.SHARE,
            width=8,
            at_most=1,
            turns={0.8: Colour.BAD, 0.9: Colour.WORST},
        ),
        Panel(
            "Changes of rendition there",
            "Why viewers of these edges were given another rendition. lost: the former one came no more.",
            [Query(HERE.rate("rillcast_edge_rendition_switches_total", by="cause"), "{{cause}}")],
            unit=Unit.PER_SECOND,
            width=8,
            colours={"up": Colour.GOOD, "down": Colour.LATE, "lost": Colour.WORST},
            nothing="no change",
        ),
    ],
)

BOARD = Board(
    "stream",
    "Rillcast: One stream",
    "What is known of one stream: its traces, the console, and the nodes that carry it.",
    [WHAT, NODES],
    asked=(Asked.APP, Asked.STREAM, Asked.NODE),
)
