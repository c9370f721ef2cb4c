"""What nodes need of each other: the bus, the store, the registry, and what they think of other nodes."""

from __future__ import annotations

from scripts.dashboards.panel import QUANTILES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import NOT_OK, WHOLE, Chosen, highest, or_none

HERE = Chosen("node")
TRIP, ASKED, LAG = "rillcast_bus_round_trip_seconds", "rillcast_bus_request_seconds", "rillcast_event_loop_lag_seconds"
UP = {1.0: ("yes", Colour.GOOD), 0.0: ("no", Colour.WORST)}

READY = HERE.max("rillcast_ready", by=("service", "node"))
HEARS = (
    f"({HERE.max('rillcast_bus_connected', by=('service', 'node'))} - on (service, node) "
    f"{HERE.max('rillcast_bus_stalled', by=('service', 'node'))})"
)


def troubled(good: str) -> str:
    """Whether nodes are as they should be, of those only that were not so at some time."""
    return f"({good}) and on (service, node) (min_over_time(({good})[{WHOLE}:10s] @ end()) == 0)"


NODES = Row(
    "Nodes",
    [
        Panel(
            "Took no new work at some time",
            "Each node that took none at some time shown. One that drains takes none on purpose; where the band is "
            "missing, the node was not there.",
            [Query(troubled(READY), "{{node}}")],
            form=Form.STATES,
            width=12,
            words=UP,
            nothing="All nodes took new work all the time",
        ),
        Panel(
            "Did not hear the bus at some time",
            "Each node that did not at some time shown. It goes on with what runs, and refuses what is new.",
            [Query(troubled(HEARS), "{{node}}")],
            form=Form.STATES,
            width=12,
            words=UP,
            nothing="All nodes heard it all the time",
        ),
        Panel(
            "Nodes given up",
            "Other nodes that were given up, by their kind and why. left and restarted are in order. Each node that "
            "sees it counts it once.",
            [
                Query(
                    HERE.happened("rillcast_nodes_gone_total", by=("kind", "why")),
                    "{{kind}} {{why}}",
                )
            ],
            form=Form.AREAS,
            colours={"dead|frozen|missing|silent": Colour.WORST, "left|restarted": Colour.GOOD},
            nothing="no node has gone",
        ),
        Panel(
            "Doubts about nodes",
            "Times that a node was asked whether it lives, by what led to it, and what came of it.",
            [
                Query(HERE.happened("rillcast_node_doubts_total", by="by"), "doubt: {{by}}"),
                Query(HERE.happened("rillcast_node_findings_total", by="finding"), "found {{finding}}"),
                Query(or_none(HERE.happened("rillcast_node_vouches_total")), "others still hear it"),
            ],
            colours={"dead|missing|frozen": Colour.WORST, "alive": Colour.GOOD},
        ),
        Panel(
            "From the first doubt until a node is given up",
            "Viewers of the node stand still for about so long.",
            [
                Query(HERE.quantile(0.5, "rillcast_node_gone_seconds", window=WHOLE), "p50"),
                Query(HERE.quantile(0.95, "rillcast_node_gone_seconds", window=WHOLE), "p95"),
            ],
            form=Form.FIGURE,
            unit=Unit.SECONDS,
            turns={2: Colour.LATE, 6: Colour.BAD},
            nothing="no node has gone",
        ),
    ],
)

BUS = Row(
    "Bus",
    [
        Panel(
            "Round trip to NATS",
            "From a ping to its answer.",
            [Query(HERE.quantile(part, TRIP), name) for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))],
            unit=Unit.SECONDS,
            turns={0.1: Colour.LATE, 1: Colour.WORST},
            colours=QUANTILES,
        ),
        Panel(
            "Requests, 95 of 100 answered within",
            "By what was asked. One that stands out is slow at the node that answers it.",
            [Query(HERE.quantile(0.95, ASKED, by="subject"), "{{subject}}")],
            unit=Unit.SECONDS,
        ),
        Panel(
            "Requests that came to nothing",
            "By outcome. refused is an answer; timeout, nobody and disconnected are none.",
            [
                Query(HERE.rate("rillcast_bus_requests_total", NOT_OK, by="outcome"), "asked: {{outcome}}"),
                Query(HERE.rate("rillcast_bus_served_total", NOT_OK, by="outcome"), "served: {{outcome}}"),
            ],
            unit=Unit.PER_SECOND,
            colours={"timeout|nobody|disconnected|stalled|error": Colour.WORST, "refused": Colour.LATE},
        ),
        Panel(
            "Requests by subject",
            "How busy the bus is.",
            [Query(HERE.rate("rillcast_bus_requests_total", by="subject"), "{{subject}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
        ),
        Panel(
            "Reconnects, events dropped",
            "A reconnect is a NATS server that went away. An event that is dropped was not told to others.",
            [
                Query(or_none(HERE.rate("rillcast_bus_reconnects_total")), "reconnects"),
                Query(HERE.rate("rillcast_bus_events_dropped_total", by="reason"), "dropped: {{reason}}"),
                Query(or_none(HERE.rate("rillcast_node_events_dropped_total")), "dropped before the bus"),
                Query(HERE.rate("rillcast_node_events_refused_total", by="why"), "heartbeat refused: {{why}}"),
            ],
            unit=Unit.PER_SECOND,
            colours={"dropped": Colour.WORST},
        ),
        Panel(
            "Denied",
            "What NATS and Consul refused for want of a permission: rights of another version, or another's key.",
            [
                Query(HERE.happened("rillcast_bus_denied_total", by=("action", "subject")), "{{action}} {{subject}}"),
                Query(HERE.happened("rillcast_discovery_denied_total", by="action"), "Consul: {{action}}"),
            ],
            colours={".*": Colour.WORST},
            nothing="nothing was denied",
        ),
    ],
)

STORE = Row(
    "Store and registry",
    [
        Panel(
            "Operations that the store did not carry out",
            "By bucket and operation. Joins are refused while streams or apps are among them.",
            [
                Query(
                    HERE.rate("rillcast_kv_errors_total", by=("bucket", "operation")) + " > 0",
                    "{{bucket}} {{operation}}",
                )
            ],
            unit=Unit.PER_SECOND,
            nothing="all were carried out",
        ),
        Panel(
            "Watches set up anew",
            "After a gap, a reconnect or a failure. A bucket that was created anew has lost what it held.",
            [
                Query(HERE.happened("rillcast_kv_watch_restarts_total", by="bucket"), "watch {{bucket}}"),
                Query(HERE.happened("rillcast_kv_follow_retries_total", by="bucket"), "followed anew {{bucket}}"),
                Query(HERE.happened("rillcast_kv_buckets_created_total", by="bucket"), "created {{bucket}}"),
            ],
            colours={"created": Colour.WORST},
        ),
        Panel(
            "From a write until it is seen, 95 of 100 within",
            "How long a node's own write of the store took to come back to it by its watch. All that nodes know of "
            "each other is so old at least.",
            [Query(HERE.quantile(0.95, "rillcast_kv_watch_lag_seconds", by="bucket"), "{{bucket}}")],
            unit=Unit.SECONDS,
            turns={0.1: Colour.LATE, 1: Colour.WORST},
        ),
        Panel(
            "Nodes without the registry",
            "Nodes that Consul does not answer any more, and how often nodes wrote themselves in.",
            [
                Query(
                    or_none(
                        f"count ({HERE.of('rillcast_discovery_reachable')} == 0 and "
                        f"{HERE.of('rillcast_discovery_registrations_total')} > 0)"
                    ),
                    "not answered",
                ),
                Query(or_none(HERE.rate("rillcast_discovery_registrations_total")), "registrations/s"),
            ],
            colours={"not answered": Colour.WORST},
        ),
        Panel(
            "Lifelines",
            "Connections that nodes hold to each other, and how they ended. lost: the node died, or the network did.",
            [
                Query(HERE.sum("rillcast_lifelines"), "held"),
                Query(HERE.rate("rillcast_lifelines_ended_total", by="how"), "ended: {{how}}/s"),
                Query(HERE.rate("rillcast_lifelines_refused_total", by="reason"), "refused: {{reason}}/s"),
            ],
            colours={"held": Colour.PLAIN, "lost|failed": Colour.WORST},
        ),
    ],
)

PROCESS = Row(
    "Processes",
    [
        Panel(
            "Late event loops, 99 of 100 within",
            "How late timers fire. Above a quarter of a second, requests of clients wait visibly.",
            [Query(highest(HERE.quantile(0.99, LAG, by="node")), "{{node}}")],
            unit=Unit.SECONDS,
            turns={0.25: Colour.BAD, 1: Colour.WORST},
        ),
        Panel(
            "Garbage collection, 99 of 100 within",
            "How long a full collection held the event loop.",
            [
                Query(
                    highest(HERE.quantile(0.99, "rillcast_garbage_collection_seconds", by="node", window=WHOLE)),
                    "{{node}}",
                )
            ],
            unit=Unit.SECONDS,
            nothing="none has run",
        ),
        Panel(
            "Work on the side",
            "Tasks that run or wait beside the handlers of a node, and those that were refused.",
            [
                Query(HERE.sum("rillcast_background_tasks_running"), "running"),
                Query(HERE.sum("rillcast_background_tasks_waiting"), "waiting"),
                Query(HERE.rate("rillcast_background_tasks_refused_total", by="full"), "refused: {{full}}/s"),
            ],
            colours={"running": Colour.PLAIN, "refused": Colour.WORST},
        ),
        Panel(
            "Crashed tasks",
            "Parts of a node that ended unexpectedly, and were started anew. The log has the reason.",
            [Query(HERE.happened("rillcast_task_crashes_total", by=("node", "task")), "{{node}} {{task}}")],
            colours={".*": Colour.WORST},
            nothing="none has crashed",
            width=6,
        ),
        Panel(
            "Failed requests and lines left out of the log",
            "Requests by HTTP that ended because of a fault of ours, words to systemd that could not be said, and "
            "lines that the log left out since there were too many.",
            [
                Query(HERE.rate("rillcast_http_requests_failed_total", by="protocol"), "{{protocol}} failed"),
                Query(or_none(HERE.rate("rillcast_log_lines_left_out_total")), "lines left out"),
                Query(or_none(HERE.rate("rillcast_service_manager_failures_total")), "systemd not told"),
            ],
            unit=Unit.PER_SECOND,
            width=6,
        ),
        Panel(
            "Traces",
            "Spans that were sent to a collector, that were dropped or forgotten before, and traces that were kept "
            "though not sampled, since they failed or were slow.",
            [
                Query(HERE.rate("rillcast_trace_spans_sent_total"), "spans sent"),
                Query(HERE.rate("rillcast_trace_spans_dropped_total", by="reason"), "dropped {{reason}}"),
                Query(HERE.rate("rillcast_trace_spans_forgotten_total", by="fate"), "forgotten {{fate}}"),
                Query(HERE.rate("rillcast_traces_kept_total"), "kept"),
                Query(HERE.rate("rillcast_traces_not_kept_total"), "could not be kept"),
                Query(HERE.rate("rillcast_signaling_join_traces_dropped_total"), "joins dropped"),
            ],
            unit=Unit.PER_SECOND,
            colours={"dropped|could not": Colour.WORST, "sent": Colour.PLAIN, "kept": Colour.GOOD},
            width=6,
        ),
        Panel(
            "Versions",
            "How many nodes of each kind run which version. Two of them at once are an upgrade under way.",
            [Query(f"count by (kind, version) ({HERE.of('rillcast_build_info')})", "{{kind}} {{version}}")],
            form=Form.BARS,
            decimals=0,
            width=6,
        ),
    ],
)

BOARD = Board(
    "bus",
    "Rillcast: Bus and discovery",
    "What nodes need of each other: the bus, the store, the registry, and what they think of other nodes.",
    [NODES, BUS, STORE, PROCESS],
    asked=(Asked.NODE,),
)
