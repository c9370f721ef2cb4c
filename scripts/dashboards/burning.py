"""Which joins count against the objective. deploy/prometheus/rules counts the same, which a test holds together."""

from __future__ import annotations

PLAYING = 'role=~"play|whep"'
"""Joins of viewers."""
PUBLISHING = 'role=~"publish|whip"'
OURS = (
    "failed",
    "highResourceUsage",
    "no_node_available",
    "data_store_not_available",
    "license_suspended_please_renew_license",
    "server_error_check_logs",
)
"""Outcomes that are a fault of the cluster, or are taken for one: nobody can tell why a handshake failed."""
BAD_JOINS = f'outcome=~"{"|".join(OURS)}"'
COUNTED_JOINS = f'outcome=~"{"|".join(("ok", *OURS))}"'
"""Those that say something about the cluster. All others are refusals that the client could have foreseen."""
