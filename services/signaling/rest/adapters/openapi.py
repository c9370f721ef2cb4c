"""The OpenAPI documents of REST, from the routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from services.signaling.rest.adapters.endpoint import Table, on_wire
from services.signaling.rest.adapters.schemas import REF, Schemas
from services.signaling.rest.adapters.security import SCHEMES

ABOUT = (
    "Rillcast's REST API: Ant Media Server's paths and shapes under `/rest/v2` and `/{app}/rest/v2`, and our own under "
    "`/rillcast/v1`. A refusal is answered with a `Result` that says why, or in plain text where Ant Media does so, or "
    "with a page of HTML from before its handlers. `HEAD` is answered wherever `GET` is."
)


def openapi_document(
    version: str, tables: Sequence[Table[Any]], routes: Sequence[BaseRoute], schemas: Schemas
) -> dict[str, Any]:
    """Of OpenAPI 3.1. `routes` are those made of `tables`."""
    document = get_openapi(
        title="Rillcast",
        version=version,
        description=ABOUT,
        routes=routes,
        tags=[{"name": table.tag, "description": table.about} for table in tables],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "Whichever instance of signaling is asked."}],
    )
    rows = {row.name: row for table in tables for row in table.rows}
    for operations in document["paths"].values():
        for operation in operations.values():
            row = rows[operation["operationId"]]
            operation.update(schemas.operation(row))  # in place of FastAPI's answers, of which none is given here
            examples = {on_wire(name, row.parameters[name]): one for name, one in row.asked.items()}
            for parameter in operation.get("parameters", ()):
                parameter["example"] = examples[parameter["name"]]
                if parameter["schema"].get("default") == "":
                    del parameter["schema"]["default"]  # an absent parameter, not an empty date
    text = msgspec.json.encode([document["paths"], schemas.components]).decode()
    used = {name: schema for name, schema in schemas.components.items() if f'"{REF.format(name=name)}"' in text}
    document["components"] = {"schemas": dict(sorted(used.items())), "securitySchemes": SCHEMES}
    return document
