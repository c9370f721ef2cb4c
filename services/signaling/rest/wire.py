"""Builds the room of the REST API."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from starlette.routing import BaseRoute

from rillcast.runtime.process.version import product_version
from services.signaling.core.domain.region import parse_networks
from services.signaling.core.wire import Core
from services.signaling.operators.wire import Operators
from services.signaling.rest.adapters.http_frame import Frame
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.http_routes import RestServices, answer_head, rest_routes
from services.signaling.rest.adapters.openapi import openapi_document
from services.signaling.rest.adapters.schemas import Schemas
from services.signaling.rest.adapters.tables import TABLES
from services.signaling.rest.usecases.applications import Applications
from services.signaling.rest.usecases.broadcasts import Broadcasts
from services.signaling.rest.usecases.cluster import Cluster
from services.signaling.rest.usecases.document import Document
from services.signaling.rest.usecases.license import License
from services.signaling.rest.usecases.node_drains import NodeDrains
from services.signaling.rest.usecases.product import Product
from services.signaling.rest.usecases.subscribers import Subscribers
from services.signaling.rest.usecases.tokens import Tokens
from services.signaling.rest.usecases.users import Users


class Rest(NamedTuple):
    """What the room gives to the process."""

    routes: list[BaseRoute]
    frame: Frame
    """Answers what no route of any room does."""


def wire(core: Core, operators: Operators) -> Rest:
    """Build the room and say where it is reached."""
    version, streams, licenses = product_version(), core.streams, core.license
    document = Document()
    resources = (
        Product(version),
        Cluster(version, core.host.directory, streams, core.audience, licenses),
        NodeDrains(core.host.directory, core.nodes),
        License(licenses),
        Applications(core.apps, core.app_store, streams, core.audience),
        Broadcasts(
            streams=streams,
            known=core.broadcasts,
            store=core.broadcast_store,
            audience=core.audience,
            sessions=core.nodes,
            nodes=core.host.directory,
            address_of=core.address_of,
        ),
        Users(operators.accounts, operators.hashes, operators.sign_in),
        Tokens(core.tokens, core.apps, core.grants),
        Subscribers(core.subscribers, core.connections, core.apps, core.grants, core.address_of),
        document,
    )
    schemas = Schemas(row for table in TABLES for row in table.rows)
    allowed = parse_networks(core.settings.remote_allowed_cidr)
    gate = Gate(
        core.clients,
        core.apps,
        allowed=allowed,
        doorkeeper=operators.doorkeeper,
        arrival=operators.arrival,
        hosts=operators.hosts,
    )
    services = RestServices(gate=gate, tally=core.tally, schemas=schemas)
    routes = rest_routes(TABLES, {type(one): one for one in resources}, services)
    document.described = msgspec.json.encode(openapi_document(version, TABLES, routes, schemas))
    answer_head(routes)
    return Rest(list[BaseRoute](routes), Frame(gate))
