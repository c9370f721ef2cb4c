"""Instruments that every node has."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_BUS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

BUILD_INFO = Gauge("rillcast_build_info", "Always 1; the labels say what runs here.", ["kind", "version", "node"])
READY = Gauge("rillcast_ready", "1 while this node takes new work.")
DRAINING = Gauge("rillcast_draining", "1 from the moment this node was told to take nothing new, until that is undone.")
DRAIN_LEFT = Gauge(
    "rillcast_drain_left",
    "What still keeps a node that drains from being empty, by what: viewers, publishers, relays (tracks that others "
    "take from it), jobs. 0 before the first drain.",
    ["what"],
)
DRAIN_CUT = Counter(
    "rillcast_drain_cut_total",
    "Those that a drain ended although no other node had taken them, by what: viewers, publishers, relays, jobs.",
    ["what"],
)
DRAINS = Counter(
    "rillcast_drains_total",
    "Drains of this node, by outcome: drained (nobody was cut off), cut (somebody was), undone.",
    ["outcome"],
)
SERVICE_MANAGER_FAILED = Counter(
    "rillcast_service_manager_failures_total",
    "Words to systemd (up, going away, alive) that could not be said. Enough of them in a row, and systemd takes the "
    "node for dead.",
)
TASK_CRASHES = Counter("rillcast_task_crashes_total", "Supervised tasks that ended unexpectedly.", ["task"])
BACKGROUND_RUNNING = Gauge(
    "rillcast_background_tasks_running",
    "Tasks that a service runs on the side of its handlers, such as one for each lease that it keeps.",
)
BACKGROUND_WAITING = Gauge(
    "rillcast_background_tasks_waiting",
    "Short work on the side, such as ending sessions at other nodes, not begun yet.",
)
BACKGROUND_REFUSED = Counter(
    "rillcast_background_tasks_refused_total",
    "Work on the side not begun because there was too much of it, by what was full: running, waiting.",
    ["full"],
)
HTTP_REFUSED = Counter(
    "rillcast_http_connections_refused_total",
    "HTTP connections closed with a refusal, by reason: full (too many are open), address_full (of one address), "
    "gave_way (it was idle, and all places were taken), head_too_late, head_too_large (or of too many headers), "
    "bad_handshake (a WebSocket's with a body), body_too_late, pipelined (too many requests waited on one), "
    "unfinished (there was no room for what it had begun to send), "
    "tls_handshake (it failed), tls_handshake_late, no_certificate (there is none yet), no_descriptor (the process has "
    "no file descriptor left).",
    ["reason"],
)
HTTP_HOSTS_REFUSED = Counter(
    "rillcast_http_hosts_refused_total",
    "Requests to the admin listener that named a host which this node does not know to be its own, and were refused.",
)
HTTP_FAILED = Counter(
    "rillcast_http_requests_failed_total",
    "Requests and WebSockets that ended because of a fault of ours, by protocol: http, websocket. The log says where.",
    ["protocol"],
)
HTTP_CERTIFICATE_EXPIRES = Gauge(
    "rillcast_http_certificate_expires_timestamp_seconds",
    "Unix time at which the certificate of the TLS listener expires; 0 while it has none.",
)
HTTP_CERTIFICATE_CHANGES = Counter(
    "rillcast_http_certificate_changes_total",
    "New certificates found in the files of the TLS listener, by outcome: used, refused (something is wrong with it).",
    ["outcome"],
)
WEBSOCKETS_REFUSED = Counter(
    "rillcast_websockets_refused_total",
    "WebSockets closed below the application, by reason: flood (too many control frames or fragments), not_utf8, "
    "bad_handshake, handshake_too_late, message_too_late, unfinished (there was no room for what had begun).",
    ["reason"],
)
LOOP_LAG_SECONDS = Histogram(
    "rillcast_event_loop_lag_seconds",
    "How late a timer of the event loop fires, sampled four times a second.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)

GARBAGE_COLLECTION_SECONDS = Histogram(
    "rillcast_garbage_collection_seconds",
    "How long a full garbage collection held the event loop. Younger generations are not counted.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)

LOG_LINES_LEFT_OUT = Counter(
    "rillcast_log_lines_left_out_total",
    "Lines of the log not written because the same place in the code had written too many in the last seconds.",
)

TRACE_SPANS_FORGOTTEN = Counter(
    "rillcast_trace_spans_forgotten_total",
    "Finished spans pushed out of the memory of this process by newer ones: `rillcast trace` does not know them any "
    "more. By the fate of their trace: fine, failed, refused. It moves always once there were as many spans as are "
    "kept; of refused joins also before, once there are as many as their share.",
    ["fate"],
)
TRACE_SPANS_SENT = Counter("rillcast_trace_spans_sent_total", "Spans that the collector has taken.")
TRACE_SPANS_DROPPED = Counter(
    "rillcast_trace_spans_dropped_total",
    "Spans that were to be sent to the collector and were not, by reason: full (too many waited, since it is slow or "
    "silent), not_taken (it refused them, or was not reached in time), unsent (they waited when the process ended).",
    ["reason"],
)
TRACES_KEPT = Counter(
    "rillcast_traces_kept_total",
    "Traces that were not sampled, and were sent to the collector all the same: something of them failed here, or they "
    "took long.",
)
TRACES_NOT_KEPT = Counter(
    "rillcast_traces_not_kept_total",
    "Failed or slow traces that were neither sampled nor kept, since there were too many of them in one second.",
)

BUS_CONNECTED = Gauge("rillcast_bus_connected", "1 while the connection to NATS is up.")
BUS_STALLED = Gauge(
    "rillcast_bus_stalled", "1 while the connection to NATS is up and yet NATS does not answer: nobody counts as gone."
)
BUS_ROUND_TRIP_SECONDS = Histogram(
    "rillcast_bus_round_trip_seconds", "Time from a ping to the answer of NATS.", buckets=_BUS_BUCKETS
)
BUS_DENIED = Counter(
    "rillcast_bus_denied_total",
    "What NATS refused this node for want of a permission, by action (publish, subscribe) and subject without ids.",
    ["action", "subject"],
)
BUS_CERTIFICATE_EXPIRES = Gauge(
    "rillcast_bus_certificate_expires_timestamp_seconds",
    "Unix time at which the certificate expires that NATS showed when this node connected last; 0 without TLS.",
)
BUS_RECONNECTS = Counter("rillcast_bus_reconnects_total", "Times the connection to NATS came back.")
BUS_REQUESTS = Counter(
    "rillcast_bus_requests_total",
    "Requests sent, by the subject without ids and outcome: ok, refused, timeout, nobody, disconnected, stalled "
    "(NATS did not answer, so nothing was sent), denied (this node may not ask there), undecodable, version (the other "
    "side speaks another version of the protocol), cancelled.",
    ["subject", "outcome"],
)
BUS_REQUEST_SECONDS = Histogram(
    "rillcast_bus_request_seconds", "Time from a request sent to its answer.", ["subject"], buckets=_BUS_BUCKETS
)
BUS_SERVED = Counter(
    "rillcast_bus_served_total",
    "Requests answered, by the subject without ids and outcome: ok, refused, error, overload, undecodable, deadline, "
    "version (the asker speaks another version of the protocol), no_inbox (the answer would go to the store).",
    ["subject", "outcome"],
)
BUS_EVENTS_DROPPED = Counter(
    "rillcast_bus_events_dropped_total",
    "Events not sent or not taken in, by reason: disconnected, too_large (or not to be encoded), undecodable, error, "
    "slow, version (of the protocol), sender (it asks for an answer, so no node has sent it).",
    ["reason"],
)
NODES_REFUSED = Counter(
    "rillcast_node_events_refused_total",
    "Heartbeats and goodbyes of others not taken in, by why: subject (it speaks of another node than its subject), "
    "twice (of another process under the id of one that lives), changed (it describes the process otherwise than "
    "before), replayed (an earlier one came again), forged (it is not signed by the node), stranger (the goodbye of a "
    "process that is not known).",
    ["why"],
)
NODES_UNCHECKED = Counter(
    "rillcast_node_events_unchecked_total",
    "Heartbeats whose signature was not looked at, since more came than a node looks at in a second.",
)

KV_ERRORS = Counter(
    "rillcast_kv_errors_total",
    "Operations the key-value store did not carry out, by bucket and operation: open, get, create, update, put, "
    "delete, entries.",
    ["bucket", "operation"],
)
KV_WATCH_LAG_SECONDS = Histogram(
    "rillcast_kv_watch_lag_seconds",
    "From the begin of a write of this node until this node's own watch of the same bucket shows it. Measured for one "
    "write at a time",
    ["bucket"],
    buckets=_BUS_BUCKETS,
)
KV_BUCKETS_CREATED = Counter(
    "rillcast_kv_buckets_created_total",
    "Buckets made because the store had none: at first start, or after it lost its state.",
    ["bucket"],
)
KV_WATCH_RESTARTS = Counter(
    "rillcast_kv_watch_restarts_total", "Watches set up anew after a gap or a reconnect.", ["bucket"]
)
KV_FOLLOW_RETRIES = Counter(
    "rillcast_kv_follow_retries_total",
    "Times a bucket had to be followed anew because its watch failed; a watch outlives a mere reconnect.",
    ["bucket"],
)

DISCOVERY_DENIED = Counter(
    "rillcast_discovery_denied_total",
    "What Consul refused this node for want of a permission, by action: register, read, deregister.",
    ["action"],
)
DISCOVERY_REACHABLE = Gauge("rillcast_discovery_reachable", "1 while the registry answers.")
DISCOVERY_REGISTRATIONS = Counter(
    "rillcast_discovery_registrations_total", "Times this node was written into the registry."
)

LIFELINES_SERVED = Gauge("rillcast_lifelines_served", "Lifelines that others hold to this node.")
LIFELINES_REFUSED = Counter(
    "rillcast_lifelines_refused_total",
    "Lifelines to this node refused, by reason: full (too many are open), address_full (of one address), leaving.",
    ["reason"],
)
LIFELINES = Gauge("rillcast_lifelines", "Lifelines that this node holds to others.")
LIFELINES_ENDED = Counter(
    "rillcast_lifelines_ended_total",
    "Lifelines to other nodes that ended, by how: left (the node said goodbye), lost (it broke off), refused (the node "
    "has too many, or knows none), stranger (somebody else answered), failed (no connection or no answer).",
    ["how"],
)
NODE_DOUBTS = Counter(
    "rillcast_node_doubts_total",
    "Times another node became doubtful and was asked, by kind of node and by: lifeline (it was lost), heartbeat (it "
    "is overdue), request (one had no answer), relay (one that it fed, or was fed by, fell silent).",
    ["kind", "by"],
)
NODE_FINDINGS = Counter(
    "rillcast_node_findings_total",
    "What came of looking at a doubtful node, counted when it is another one than before, by kind of node and finding: "
    "alive (it answers on the bus), isolated (it answers, but not there), frozen (the process exists and does not "
    "answer), missing (there is no trace of it), dead (its machine says that the process is gone).",
    ["kind", "finding"],
)
NODES_GONE = Counter(
    "rillcast_nodes_gone_total",
    "Other nodes given up, by kind of node and why: left (it said goodbye), restarted, dead, frozen, missing, silent "
    "(no heartbeat came for 5 s, and nobody could ask).",
    ["kind", "why"],
)
NODE_GONE_SECONDS = Histogram(
    "rillcast_node_gone_seconds",
    "Time from the first doubt about a node until it was given up.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
NODE_VOUCHES = Counter(
    "rillcast_node_vouches_total",
    "Times another node said that it hears the media of a node that answers nobody, by kind of the latter.",
    ["kind"],
)
NODE_ANSWERS_REFUSED = Counter(
    "rillcast_node_answers_refused_total",
    "Answers to the question whether a node lives that its identity has not signed.",
)

LICENSE_SEAT = Gauge(
    "rillcast_license_seat",
    "1 for the state of the seat: waiting (for a first answer), held, unconfirmed (held, no answer now), "
    "lapsed (no answer for the license's grace time), refused.",
    ["state"],
)
