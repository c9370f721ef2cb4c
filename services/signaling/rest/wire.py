"""How the REST room is put together."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.routing import BaseRoute

from rillcast.contracts.ids import NodeId
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.region import IpNetwork
from services.signaling.core.ports import Apps, Audience, Tally
from services.signaling.core.ports import Broadcasts as KnownBroadcasts
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.http_routes import RestServices, rest_routes
from services.signaling.rest.adapters.openapi import openapi_document
from services.signaling.rest.adapters.schemas import Schemas
from services.signaling.rest.adapters.tables import TABLES
from services.signaling.rest.ports import Licenses, Nodes, PublishedStreams, Sessions
from services.signaling.rest.usecases.applications import Applications
from services.signaling.rest.usecases.broadcasts import Broadcasts
from services.signaling.rest.usecases.cluster import Cluster
from services.signaling.rest.usecases.document import Document
from services.signaling.rest.usecases.license import License
from services.signaling.rest.usecases.product import Product


def wire(
    *,
    version: str,
    clients: ClientReader,
    allowed: tuple[IpNetwork, ...],
    nodes: Nodes,
    streams: PublishedStreams,
    audience: Audience,
    sessions: Sessions,
    apps: Apps,
    app_store: AppStore,
    broadcasts: KnownBroadcasts,
    broadcast_store: BroadcastStore,
    licenses: Licenses,
    address_of: Callable[[NodeId], str],
    tally: Tally,
) -> list[BaseRoute]:
    """The routes. `allowed`: the addresses that may ask; `address_of`: a node's address."""
    document = Document()
    resources = (
        Product(version),
        Cluster(version, nodes, streams, audience, licenses),
        License(licenses),
        Applications(apps, app_store),
        Broadcasts(
            streams=streams,
            known=broadcasts,
            store=broadcast_store,
            audience=audience,
            sessions=sessions,
            address_of=address_of,
        ),
        document,
    )
    schemas = Schemas(row for table in TABLES for row in table.rows)
    services = RestServices(gate=Gate(clients, allowed, apps), tally=tally, schemas=schemas)
    routes = rest_routes(TABLES, {type(one): one for one in resources}, services)
    document.described = msgspec.json.encode(openapi_document(version, TABLES, routes, schemas))
    return routes
