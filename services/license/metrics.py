"""Every instrument of the license service."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SEAT_ANSWERS = Counter(
    "rillcast_license_seat_answers",
    "Seat requests answered: granted, renewed, replaced, refused, released, unavailable",
    ["outcome"],
)
DOCUMENTS_REFUSED = Counter(
    "rillcast_license_documents_refused",
    "License documents turned down when they appeared, by reason: too_large, malformed, algorithm, no_key, signature, "
    "claims, future, expired, unreadable, cluster, revoked, older",
    ["reason"],
)
SEATS_USED = Gauge("rillcast_license_seats_used", "Seats taken in the cluster, by kind of node", ["kind"])
SEATS_LIMIT = Gauge(
    "rillcast_license_seats_limit",
    "Seats the license in force grants: of the kind total, and of kinds with a limit of their own",
    ["kind"],
)
STATE = Gauge(
    "rillcast_license_state",
    "1 for the state (`LicenseState`) the license in force has now, 0 for the others",
    ["state"],
)
COMMUNITY = Gauge("rillcast_license_community", "1 while the built-in community license is in force")
EXPIRES = Gauge("rillcast_license_expires_timestamp_seconds", "When the license in force ends, Unix time; 0 = never")
SUSPENDS = Gauge(
    "rillcast_license_suspends_timestamp_seconds",
    "When its grace time is over and new publishes and plays stop, Unix time; 0 = never",
)
WARNING = Gauge(
    "rillcast_license_warning",
    "1 while the license needs its operator: ends within 30 days, has ended, or a document was refused",
)
NODE_HOURS = Gauge(
    "rillcast_license_node_hours", "Node-hours used under the license in force, by kind of node", ["kind"]
)
