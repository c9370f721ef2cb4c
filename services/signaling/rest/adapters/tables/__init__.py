"""Every endpoint of REST, a row each, in a table per resource.

A new endpoint is a row here, a handler in `rest/usecases` and the types of its body and answer. What Ant Media has and
we don't is a row too, with `endpoint.refused` for a handler.
"""

from __future__ import annotations

from typing import Any

from services.signaling.rest.adapters.endpoint import Table
from services.signaling.rest.adapters.tables import (
    applications,
    backups,
    broadcast_figures,
    broadcast_media,
    broadcast_removal,
    broadcasts,
    cluster,
    document,
    license,
    node_drains,
    own_account,
    player_reports,
    product,
    push_notifications,
    servers,
    sessions,
    setting_words,
    subscribers,
    subtracks,
    system,
    tokens,
    traces,
    users,
    vods,
)

TABLES: tuple[Table[Any], ...] = (
    product.TABLE,
    cluster.TABLE,
    node_drains.TABLE,
    license.TABLE,
    system.TABLE,
    servers.TABLE,
    applications.TABLE,
    setting_words.TABLE,
    broadcast_figures.TABLE,
    broadcast_media.TABLE,
    broadcasts.TABLE,
    broadcast_removal.TABLE,
    subtracks.TABLE,
    backups.TABLE,
    vods.TABLE,
    push_notifications.TABLE,
    users.TABLE,
    own_account.TABLE,
    tokens.TABLE,
    subscribers.TABLE,
    player_reports.TABLE,
    sessions.TABLE,
    traces.TABLE,
    document.TABLE,
)
