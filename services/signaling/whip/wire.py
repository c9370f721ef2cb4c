"""Builds the room of WHIP and WHEP."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from services.signaling.core.adapters.http_front_door import Answered
from services.signaling.core.domain.publisher_secret import PublisherSecrets
from services.signaling.core.wire import Core
from services.signaling.whip.adapters.http_sessions import HttpSessionServices, Whep, Whip
from services.signaling.whip.domain.resource_url import ResourceSigner

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""What a resource does not do is refused by itself, in words."""


def wire(core: Core, signing_key: bytes, secrets: PublisherSecrets) -> list[BaseRoute]:
    """`signing_key`: the cluster's, for the names of sessions. `secrets`: by which publishers are known again."""
    services = HttpSessionServices(
        apps=core.apps,
        admission=core.admission,
        streams=core.streams,
        joins=core.joins,
        nodes=core.nodes,
        reports=core.host.directory,
        events=core.events,
        clients=core.clients,
        signer=ResourceSigner(signing_key),
        secrets=secrets,
        tally=core.tally,
        changes=core.changes,
    )
    routes: list[BaseRoute] = []
    for sessions in (Whep(services), Whip(services)):  # they are tried in this order, and most clients are viewers
        path = f"/{{app}}/{sessions.role}/{{stream}}"
        routes.append(Route(path, Answered(sessions.serve), methods=ANY_METHOD))
        routes.append(Route(path + "/{resource}", Answered(sessions.resources.serve), methods=ANY_METHOD))
    return routes
