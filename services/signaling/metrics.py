"""Every instrument of signaling."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

from rillcast.runtime.telemetry.exemplars import exemplar

SOCKETS = Gauge("rillcast_signaling_sockets", "Open client WebSockets.")
MAX_SOCKETS = Gauge(
    "rillcast_signaling_max_sockets",
    "Client WebSockets that may be open: as the setting says, or as the memory allows.",
)
SOCKETS_CLOSED = Counter(
    "rillcast_signaling_sockets_closed_total",
    "Client WebSockets that ended, by why: client, keepalive, too_large, flood, slow, overload, unknown_app, "
    "no_such_path, gave_way (it was idle, and its place was needed), draining.",
    ["reason"],
)
COMMANDS = Counter(
    "rillcast_signaling_commands_total",
    "Client commands, by command and outcome: ok, or the refusal's code. Pings are not counted.",
    ["command", "outcome"],
)
JOINS = Counter(
    "rillcast_signaling_joins_total",
    "Sessions asked for, by role (publish, play, move, whip, whep), by outcome: ok once started, failed, or a code; "
    "and by stage: admission, description (the client's is awaited), node (one is asked), connection (ICE, DTLS and, "
    "of a publisher, its media), running.",
    ["role", "outcome", "stage"],
)
JOIN_SECONDS = Histogram(
    "rillcast_signaling_join_seconds",
    "Time from the client's request to the running session, by role (publish, play, move, whip, whep): publish and "
    "whip until media flows, the others until connected. move: from the news that an edge is gone or drains until a "
    "viewer is connected at another one.",
    ["role"],
    buckets=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
)
PUBLISHER_MOVES = Counter(
    "rillcast_signaling_publisher_moves_total",
    "Publishers by WebSocket that were to go on at another origin, by outcome: moved, no_offer (it was not kept), "
    "refused (no origin took it; looked for again while its own one drains), no_answer, bad_answer, not_connected (its "
    "media did not come), node_left (the new origin went as well), ended (by the client or an operator).",
    ["outcome"],
)
PUBLISHER_MOVE_SECONDS = Histogram(
    "rillcast_signaling_publisher_move_seconds",
    "From the news that an origin is gone or drains until a publisher's media has come at another one.",
    buckets=(0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0),
)
FAILOVER_SECONDS = Histogram(
    "rillcast_signaling_failover_gap_seconds",
    "What viewers by WebSocket missed whose edge died: from the news that it is gone until they are connected at "
    "another one. What was missed before the news is in rillcast_node_gone_seconds.",
    buckets=(0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0),
)
KEPT_OFFERS = Gauge(
    "rillcast_signaling_kept_offers_bytes",
    "Offers of publishers by WebSocket, kept as long as their sessions so that they can be moved.",
)
HTTP_REQUESTS = Counter(
    "rillcast_signaling_http_requests_total",
    "WHIP, WHEP and REST requests answered, by kind (whip, whep, rest), method and status.",
    ["kind", "method", "status"],
)
PLAYER_EVENTS = Counter(
    "rillcast_signaling_player_events_total",
    "Reports of players, who may be anybody, by event (play_started, play_started_first_time, play_paused, play_ended, "
    "key_frame_stats, player_stats, watch_time, other) and by protocol (webrtc, hls, ll_hls, dash, vod, other).",
    ["event", "protocol"],
)
PLAYER_WATCH_SECONDS = Counter(
    "rillcast_signaling_player_watch_seconds_total",
    "For how long players say that somebody has watched, by protocol (webrtc, hls, ll_hls, dash, vod, other).",
    ["protocol"],
)
PLAYER_REPORTS_UNWRITTEN = Counter(
    "rillcast_signaling_player_reports_unwritten_total",
    "Reports of players that were counted and not written to the log, since it had as many of them as it may.",
)
PLAYER_FIRST_FRAME_SECONDS = Histogram(
    "rillcast_signaling_player_first_frame_seconds",
    "From the wish to watch to the first picture, as players by WebRTC report it that can: the page of Rillcast does.",
    buckets=(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
PLAYER_FREEZES = Counter(
    "rillcast_signaling_player_freezes_total", "Times the picture stood still, as players by WebRTC report it that can."
)
PLAYER_FROZEN_SECONDS = Counter(
    "rillcast_signaling_player_frozen_seconds_total",
    "For how long the picture stood still, as players by WebRTC report it that can.",
)
NOT_SERVED = Counter(
    "rillcast_signaling_not_served_total",
    "REST requests for something that Ant Media does and that isn't there, refused in words, by the input of their "
    "table (broadcast, vod, push_notification, system).",
    ["table"],
)
KEY_CHANGES_REFUSED = Counter(
    "rillcast_signaling_key_changes_refused_total",
    "Changes of settings or of a broadcast that had no turn, by reason: too_many (waited for the same key at this "
    "instance), waited (for too long), contended (other instances changed it each time).",
    ["reason"],
)
REFUSED_INPUTS = Counter(
    "rillcast_signaling_refused_inputs_total",
    "Client input that was ignored or refused because of its form, by reason: bad_candidate, bad_first_frame, "
    "bad_stream_height, bad_toggle, binary_frame, content_type, description_too_long, flood, no_command, not_json, "
    "not_sdp, too_large, too_many_in_flight, too_many_wishes (the oldest was given up), unexpected_candidate, "
    "unexpected_configuration, unexpected_first_frame, unknown_app, unknown_command; a body of REST by the name of its "
    "table, e.g. app_settings.",
    ["reason"],
)
ADMISSIONS = Counter(
    "rillcast_signaling_admissions_total",
    "Clients that asked to be let in, by any protocol, by role (publish, play) and outcome: ok, or the refusal's code.",
    ["role", "outcome"],
)
RATE_LIMITED = Counter(
    "rillcast_signaling_rate_limited_total",
    "Clients refused because of what their address had done before, by what they wanted: publish, play, socket (one "
    "more, too soon), open_sockets (one more than an address may have), change (of a session that is there), "
    "report (of a player).",
    ["what"],
)
UNDECLARED_PROXIES = Counter(
    "rillcast_signaling_undeclared_proxies_total",
    "Joins and sockets that somebody forwarded who is no trusted proxy, so that all of its clients count as one.",
)
LIMIT_QUESTIONS = Counter(
    "rillcast_signaling_limit_questions_total",
    "Questions to the instance that counts against the limits of streams and viewers, by outcome: ok, refused (a limit "
    "is reached), silent (it did not answer, and the next one was asked).",
    ["outcome"],
)
RESERVATIONS_DISPLACED = Counter(
    "rillcast_signaling_reservations_displaced_total",
    "Places under a limit that a client which had not arrived gave up, since another address needed one more, by role: "
    "publish, play.",
    ["role"],
)
LATE_REFUSALS = Counter(
    "rillcast_signaling_limit_late_refusals_total",
    "Sessions that were ended when they arrived, since others had taken their places under a limit, by role: publish, "
    "play.",
    ["role"],
)
PLACES_REFUSED = Counter(
    "rillcast_signaling_places_refused_total",
    "Clients that found no place, by place: admission (somebody is asked about them), webhook (its questions), "
    "challenge (of a certificate authority), opening (a node is asked), node_wait (there is no node yet), offers (what "
    "a publisher needs to be moved), outgoing (frames for clients that read slowly), waiting (for a stream), events "
    "(listeners to events), live (consoles); and by why: full, address_full (their address has its share).",
    ["place", "why"],
)
ADMITTING = Gauge("rillcast_signaling_admitting", "Clients about whom somebody is being asked before they are let in.")
OPENING = Gauge("rillcast_signaling_sessions_opening", "Sessions for which a node has been asked and has not answered.")
PLACEMENT_RETRIES = Counter(
    "rillcast_signaling_placement_retries_total",
    "Times the chosen node refused or did not answer and another one was asked, by kind of node.",
    ["kind"],
)
NODE_WAITS = Counter(
    "rillcast_signaling_node_waits_total",
    "Joins that found no node to ask and waited for one, by kind of node and outcome: found, in_vain, left (the client "
    "went), too_many (not waited).",
    ["kind", "outcome"],
)
WAITING = Gauge("rillcast_signaling_waiting_viewers", "Viewers waiting for a stream that is not live.")
APP_RECORDS_REFUSED = Counter(
    "rillcast_signaling_app_records_refused_total", "App settings in the store that could not be read."
)
BROADCAST_RECORDS_REFUSED = Counter(
    "rillcast_signaling_broadcast_records_refused_total", "Broadcasts in the store that could not be read."
)
SIGN_INS = Counter(
    "rillcast_signaling_sign_ins_total",
    "Passwords of operators, by outcome: ok, wrong, locked (too many wrong ones before), busy (too many at a time), "
    "share (too many of one address at a time).",
    ["outcome"],
)
OPERATORS_REFUSED = Counter(
    "rillcast_signaling_operators_refused_total",
    "Requests to REST and status that were refused, by reason: address (not an allowed one), forwarded (by a proxy "
    "that is not trusted), host (not a name of this server), cross_site (from another site's page), content_type (a "
    "session does not say of which type a body is), not_authenticated, not_allowed (the role does not reach).",
    ["reason"],
)
OPERATOR_TOKENS_REFUSED = Counter(
    "rillcast_signaling_operator_tokens_refused_total",
    "JWT shown at REST that are signed with the right key and make no operator, by reason: stream_token (it is for "
    "publishing or playing), other_app (it names another app), no_audience (the app has jwksURL without jwtAudience).",
    ["reason"],
)
ACCESS_RECORDS_REFUSED = Counter(
    "rillcast_signaling_access_records_refused_total",
    "Tokens, subscribers and their connections in the store that could not be read, by kind (token, subscriber, "
    "connections).",
    ["kind"],
)
ACCESS_RECORDS_FULL = Counter(
    "rillcast_signaling_access_records_full_total",
    "Apps, tokens, subscribers, their connections and viewers whose end webhooks are told that were not kept because "
    "there are as many as the cluster keeps, by kind (app, token, subscriber, connections, plays).",
    ["kind"],
)
CONNECTIONS_DROPPED = Counter(
    "rillcast_signaling_connections_dropped_total",
    "Connections of subscribers, and viewers whose end webhooks are told, that are missing among the kept ones, since "
    "the store did not take them in.",
)
HOLDS_LATE = Gauge(
    "rillcast_signaling_holds_late",
    "Ends of sessions with a one-time token or a subscriber that the store has not taken in yet.",
)
HOLDS_DROPPED = Counter(
    "rillcast_signaling_holds_dropped_total",
    "Ends of such sessions that were given up because too many waited for the store: the token stays in use until this "
    "process ends.",
)
GUESSES_LOCKED = Counter(
    "rillcast_signaling_guesses_locked_total",
    "Time-based codes that were not looked at after too many wrong ones, by what is locked: client (one subscriber "
    "from one address), subscriber, address.",
    ["by"],
)
AMBIGUOUS_SUBSCRIBERS = Counter(
    "rillcast_signaling_ambiguous_subscribers_total",
    "Subscribers refused because their id and stream id, one after the other, are those of another registered one, by "
    "where: registration, code (asked for by REST), admission.",
    ["where"],
)
SHORT_SUBSCRIBER_SECRETS = Counter(
    "rillcast_signaling_short_subscriber_secrets_total",
    "Secrets of subscribers taken by REST that have fewer than the 128 bits that RFC 4226 asks for.",
)
WEBHOOKS = Counter(
    "rillcast_signaling_webhooks_total",
    "Questions to webhooks, by role (publish, play) and outcome: ok, refused, failed (no answer), resting (not asked "
    "after failures), too_many (not asked, too many are being asked).",
    ["role", "outcome"],
)
HOOKS = Counter(
    "rillcast_signaling_hooks_total",
    "Events sent to webhooks, by outcome: delivered, failed (no answer, or another status than 200).",
    ["outcome"],
)
HOOKS_DROPPED = Counter(
    "rillcast_signaling_hooks_dropped_total",
    "Events that a webhook was not told, by reason: full (as many wait for it, or in all, as may), store (too many "
    "wait for the store), gave_up (it failed as often as the app says), expired (it waited for an hour), unreadable.",
    ["reason"],
)
HOOKS_WAITING = Gauge(
    "rillcast_signaling_hooks_waiting", "Events that wait for their webhooks, at the instance that delivers them."
)
LICENSE_KNOWN = Gauge("rillcast_signaling_license_known", "1 while the license service answers.")


_commands = lru_cache(512)(COMMANDS.labels)
"""Looking up what counts costs more than counting it."""
_joins = lru_cache(512)(JOINS.labels)
_join_seconds = lru_cache(64)(JOIN_SECONDS.labels)


class PrometheusTally:
    """`ports.Tally` on the instruments above. Labels come from closed sets only."""

    def command(self, command: str, outcome: str) -> None:
        """A client command was answered."""
        _commands(command, outcome).inc()

    def refused_input(self, reason: str) -> None:
        """Something a client sent was ignored or refused for its form."""
        REFUSED_INPUTS.labels(reason).inc()

    def joined(self, role: str, outcome: str, stage: str, seconds: float | None = None) -> None:
        """A session started, or it came to nothing."""
        _joins(role, outcome, stage).inc()
        if seconds is not None:
            _join_seconds(role).observe(seconds, exemplar())

    def failed_over(self, seconds: float) -> None:
        """A viewer whose edge is gone is served by another one."""
        FAILOVER_SECONDS.observe(seconds, exemplar())

    def publisher_moved(self, outcome: str, seconds: float | None = None) -> None:
        """A publisher goes on at another origin, or not."""
        PUBLISHER_MOVES.labels(outcome).inc()
        if seconds is not None:
            PUBLISHER_MOVE_SECONDS.observe(seconds, exemplar())


CERTIFICATE_ORDERS = Counter(
    "rillcast_signaling_certificate_orders_total",
    "Certificates that this instance asked an authority for, by outcome: ok or failed.",
    ["outcome"],
)
EVENTS_WRITTEN = Counter(
    "rillcast_signaling_events_written_total", "Events of joins, streams and nodes that the journal took in."
)
JOIN_TRACES_DROPPED = Counter(
    "rillcast_signaling_join_traces_dropped_total",
    "Joins without a span of their own, by reason: full (too many are under way), refused (too many were refused in "
    "one second).",
    ["reason"],
)
FIRST_FRAMES = Counter(
    "rillcast_signaling_first_frames_total",
    "What viewers told of their first picture on their WebSockets, by outcome: told, corrected (at a time that cannot "
    "be), missing (the viewer said that it would tell, and media flowed), unexpected (of no join that waits for it).",
    ["outcome"],
)
EVENTS_DROPPED = Counter(
    "rillcast_signaling_events_dropped_total",
    "Events that are missing in the journal or in what was read of it, by reason: full (as many wait here as may), "
    "refusals (more joins are refused than are kept), sessions (as many are noted as may be), too_large (for one "
    "entry), ended (this process ended, and the store did not take them in time), undecodable.",
    ["reason"],
)
CONSOLES = Gauge("rillcast_signaling_consoles", "Consoles of operators that are shown here what goes on.")
CONSOLES_CUT = Counter(
    "rillcast_signaling_consoles_cut_total",
    "Consoles that were cut off, by reason: not_taken (they did not read in time), not_allowed (their login holds no "
    "more).",
    ["reason"],
)
LIVE_ROUND_SECONDS = Histogram(
    "rillcast_signaling_live_round_seconds",
    "How much time of the processor it took to work out once what all consoles are shown. It rises with the number of "
    "streams and of different pages that are looked at, and not with the number of consoles.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
PREVIEWS = Counter(
    "rillcast_signaling_previews_total",
    "Small pictures of streams that somebody asked for, by outcome: shown, refused (it was said why there is none).",
    ["outcome"],
)
EVENT_LISTENERS = Gauge("rillcast_signaling_event_listeners", "Operators' programs that listen to events here.")
EVENT_LISTENERS_CUT = Counter(
    "rillcast_signaling_event_listeners_cut_total",
    "Listeners to events that were cut off, by reason: not_taken (it did not read in time), not_allowed (its login "
    "holds no more), store (what it missed could not be read).",
    ["reason"],
)
