"""Signaling: sockets, places, who is refused for what they did, webhooks, the journal, operators."""

from __future__ import annotations

from scripts.dashboards.panel import OUTCOMES, Asked, Board, Colour, Form, Panel, Query, Row, Unit
from scripts.dashboards.promql import WHOLE, Chosen, or_none

HERE = Chosen("node")


def refusals(title: str, means: str, *counted: tuple[str, str, str]) -> Panel:
    """Counters of what was refused: series, label, and what its curve begins with."""
    return Panel(
        title,
        means,
        [Query(HERE.happened(series, by=label) + " > 0", f"{name}{{{{{label}}}}}") for series, label, name in counted],
        form=Form.AREAS,
        nothing="nothing was refused",
    )


CLIENTS = Row(
    "Clients",
    [
        Panel(
            "Sockets",
            "Open WebSockets of clients, and how many there may be at each instance.",
            [
                Query(HERE.sum("rillcast_signaling_sockets", by="node"), "{{node}}"),
                Query(HERE.max("rillcast_signaling_max_sockets", by="node"), "limit of {{node}}"),
            ],
            colours={"limit": Colour.WORST},
            bounds="limit",
        ),
        Panel(
            "Sockets that ended",
            "client: the client ended it. slow, overload and gave_way: there was too much to do.",
            [Query(HERE.happened("rillcast_signaling_sockets_closed_total", by="reason"), "{{reason}}")],
            form=Form.AREAS,
            colours={"^client": Colour.GOOD, "slow|overload|gave_way": Colour.WORST},
            nothing="none has ended",
        ),
        Panel(
            "Commands by outcome",
            "What clients on WebSockets asked for.",
            [Query(HERE.rate("rillcast_signaling_commands_total", by="outcome"), "{{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES,
        ),
        Panel(
            "Requests by HTTP",
            "WHIP, WHEP and REST, by the status of the answer.",
            [Query(HERE.rate("rillcast_signaling_http_requests_total", by=("kind", "status")), "{{kind}} {{status}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours={r"\s5\d\d$": Colour.WORST, r"\s2\d\d$": Colour.GOOD},
        ),
        Panel(
            "Under way",
            "Clients about whom somebody is asked, sessions for which a node is asked, and memory for offers that are "
            "kept so that publishers can be moved.",
            [
                Query(HERE.sum("rillcast_signaling_admitting"), "being let in"),
                Query(HERE.sum("rillcast_signaling_sessions_opening"), "being opened"),
                Query(HERE.sum("rillcast_signaling_waiting_viewers"), "wait for a stream"),
                Query(f"{HERE.sum('rillcast_signaling_kept_offers_bytes')} / 1048576", "MiB of offers"),
            ],
        ),
        Panel(
            "Memory of limits",
            "Questions to the instance that counts against the limits of apps, and what came of it.",
            [
                Query(HERE.rate("rillcast_signaling_limit_questions_total", by="outcome"), "{{outcome}}"),
                Query(HERE.rate("rillcast_signaling_reservations_displaced_total", by="role"), "displaced {{role}}"),
                Query(HERE.rate("rillcast_signaling_limit_late_refusals_total", by="role"), "too late {{role}}"),
            ],
            unit=Unit.PER_SECOND,
            colours=OUTCOMES | {"silent|too late": Colour.WORST},
            nothing="no app has a limit",
        ),
    ],
)

REFUSED = Row(
    "Refused",
    [
        refusals(
            "For want of a place",
            "Clients that found none. address_full: their address has its share.",
            ("rillcast_signaling_places_refused_total", "place", ""),
            ("rillcast_http_connections_refused_total", "reason", "connection: "),
            ("rillcast_websockets_refused_total", "reason", "socket: "),
        ),
        refusals(
            "For what their address did before",
            "Clients that came too often, guesses of codes, and joins by a proxy that is not declared: then all of its "
            "clients count as one.",
            ("rillcast_signaling_rate_limited_total", "what", "too often: "),
            ("rillcast_signaling_guesses_locked_total", "by", "guesses of one "),
            ("rillcast_signaling_undeclared_proxies_total", "service", "undeclared proxy at "),
        ),
        refusals(
            "For the form of their input",
            "What clients sent that makes no sense.",
            ("rillcast_signaling_refused_inputs_total", "reason", ""),
        ),
        refusals(
            "Operators",
            "Requests to REST and status that were refused, wrong passwords, and tokens that make no operator.",
            ("rillcast_signaling_operators_refused_total", "reason", ""),
            ("rillcast_signaling_operator_tokens_refused_total", "reason", "token: "),
            ("rillcast_signaling_sign_ins_total", "outcome", "sign-in "),
            ("rillcast_http_hosts_refused_total", "service", "host at "),
        ),
        refusals(
            "In REST",
            "What Ant Media does and is not there, changes that had no turn, and subscribers whose ids are ambiguous "
            "or whose secrets are short.",
            ("rillcast_signaling_not_served_total", "table", "not served: "),
            ("rillcast_signaling_key_changes_refused_total", "reason", "no turn: "),
            ("rillcast_signaling_ambiguous_subscribers_total", "where", "ambiguous: "),
            ("rillcast_signaling_short_subscriber_secrets_total", "service", "short secret at "),
        ),
        refusals(
            "Records of the store that could not be used",
            "Settings, broadcasts, tokens and subscribers that could not be read, or not be kept.",
            ("rillcast_signaling_app_records_refused_total", "service", "app at "),
            ("rillcast_signaling_broadcast_records_refused_total", "service", "broadcast at "),
            ("rillcast_signaling_access_records_refused_total", "kind", ""),
            ("rillcast_signaling_access_records_full_total", "kind", "full: "),
        ),
    ],
)

TOLD = Row(
    "Told",
    [
        Panel(
            "Webhooks that let clients in",
            "failed and resting: publishers or viewers wait for somebody who does not answer.",
            [Query(HERE.rate("rillcast_signaling_webhooks_total", by=("role", "outcome")), "{{role}} {{outcome}}")],
            unit=Unit.PER_SECOND,
            form=Form.AREAS,
            colours=OUTCOMES | {"resting|too_many": Colour.WORST},
            nothing="no app asks a webhook",
        ),
        Panel(
            "Webhooks that are told events",
            "delivered is good. dropped: a webhook was not told, and will not be.",
            [
                Query(HERE.rate("rillcast_signaling_hooks_total", by="outcome"), "{{outcome}}/s"),
                Query(HERE.rate("rillcast_signaling_hooks_dropped_total", by="reason"), "dropped {{reason}}/s"),
                Query(HERE.sum("rillcast_signaling_hooks_waiting"), "waiting"),
            ],
            colours={"delivered": Colour.GOOD, "failed": Colour.BAD, "dropped": Colour.WORST},
        ),
        Panel(
            "Journal of events",
            "written: what the console and `rillcast sessions` read. dropped is missing there.",
            [
                Query(or_none(HERE.rate("rillcast_signaling_events_written_total")), "written/s"),
                Query(HERE.rate("rillcast_signaling_events_dropped_total", by="reason"), "dropped {{reason}}/s"),
                Query(HERE.sum("rillcast_signaling_event_listeners"), "listeners"),
                Query(HERE.rate("rillcast_signaling_event_listeners_cut_total", by="reason"), "cut off {{reason}}/s"),
            ],
            colours={"written": Colour.GOOD, "dropped|cut": Colour.WORST},
        ),
        Panel(
            "Consoles",
            "Open consoles of operators, those that were cut off, and how long it took to make what all of them are "
            "shown, 99 of 100 within.",
            [
                Query(HERE.sum("rillcast_signaling_consoles"), "open"),
                Query(HERE.happened("rillcast_signaling_consoles_cut_total", by="reason"), "cut off {{reason}}"),
                Query(f"1000 * {HERE.quantile(0.99, 'rillcast_signaling_live_round_seconds')}", "ms for a round"),
            ],
            colours={"open": Colour.PLAIN, "cut": Colour.WORST},
            width=6,
        ),
        Panel(
            "Ends of sessions that the store has not taken in",
            "Of one-time tokens and subscribers. Given up: the token stays in use until this process ends.",
            [
                Query(HERE.sum("rillcast_signaling_holds_late"), "late"),
                Query(or_none(HERE.rate("rillcast_signaling_holds_dropped_total")), "given up/s"),
                Query(or_none(HERE.rate("rillcast_signaling_connections_dropped_total")), "connections missing/s"),
                Query(or_none(HERE.rate("rillcast_signaling_player_reports_unwritten_total")), "reports unwritten/s"),
            ],
            colours={"given up|missing": Colour.WORST},
            width=6,
        ),
        Panel(
            "Certificates",
            "Days until that of the TLS listener expires, new ones found in files, and orders to an authority.",
            [
                Query(
                    f"(min by (node) ({HERE.of('rillcast_http_certificate_expires_timestamp_seconds')} > 0) - time())"
                    " / 86400",
                    "days left at {{node}}",
                ),
                Query(
                    HERE.happened("rillcast_http_certificate_changes_total", by="outcome", window=WHOLE),
                    "found: {{outcome}}",
                ),
                Query(
                    HERE.happened("rillcast_signaling_certificate_orders_total", by="outcome", window=WHOLE),
                    "order {{outcome}}",
                ),
            ],
            nothing="TLS is off",
            width=6,
        ),
        Panel(
            "Heartbeats and answers that were not believed",
            "Signatures that were not looked at since too many came, answers that were not signed by the node that was "
            "asked, and lifelines of others to these nodes.",
            [
                Query(or_none(HERE.rate("rillcast_node_events_unchecked_total")), "unchecked/s"),
                Query(or_none(HERE.rate("rillcast_node_answers_refused_total")), "answers refused/s"),
                Query(HERE.sum("rillcast_lifelines_served"), "lifelines served"),
            ],
            colours={"refused": Colour.WORST, "served": Colour.PLAIN},
            width=6,
        ),
    ],
)

BOARD = Board(
    "signaling",
    "Rillcast: Signaling",
    "Signaling: sockets, places, who is refused for what they did, webhooks, the journal, operators.",
    [CLIENTS, REFUSED, TOLD],
    asked=(Asked.NODE,),
    kind="signaling",
)
