"""The OpenAPI document, made from the tables of REST without a server."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import msgspec

from services.signaling.core.ports import Tally
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.http_routes import RestServices, rest_routes
from services.signaling.rest.adapters.openapi import openapi_document
from services.signaling.rest.adapters.schemas import Schemas
from services.signaling.rest.adapters.tables import TABLES

VERSION = "0"
"""The document's version says nothing about its shapes, and none goes into what is written."""


@cache
def document() -> dict[str, Any]:
    """What every signaling instance answers at ``/rillcast/v1/openapi.json``."""
    schemas = Schemas(row for table in TABLES for row in table.rows)
    nobody = cast(Any, None)  # routes are described here, and never asked
    services = RestServices(gate=cast(Gate, nobody), tally=cast(Tally, nobody))
    resources = {table.resource: object.__new__(table.resource) for table in TABLES}
    described = openapi_document(VERSION, TABLES, rest_routes(TABLES, resources, services), schemas)
    return cast(dict[str, Any], msgspec.json.decode(msgspec.json.encode(described)))
