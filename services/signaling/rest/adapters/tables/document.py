"""The document that describes this API."""

from __future__ import annotations

import msgspec

from rillcast.contracts.status import OPENAPI_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.usecases.document import Document

TABLE = Table(
    tag="document",
    about="What describes this API.",
    resource=Document,
    input="document",
    rows=(
        Endpoint(
            "GET",
            OPENAPI_PATH,
            OPERATOR,
            Document.openapi,
            "This API as an OpenAPI 3.1 document.",
            name="get_openapi",
            answer=msgspec.Raw,
        ),
    ),
)
