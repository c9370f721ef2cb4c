"""The document that describes this API."""

from __future__ import annotations

import msgspec

from rillcast.contracts.status import OPENAPI_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR, OPERATOR
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
        Endpoint(
            "GET",
            "/{app}/openapi/openapi.json",
            APP_OPERATOR,
            Document.of_app,
            "The REST of one app as such a document, where Ant Media has it.",
            name="get_app_openapi",
            answer=msgspec.Raw,
        ),
        Endpoint(
            "GET",
            "/openapi/openapi.json",
            OPERATOR,
            Document.of_management,
            "The management as such a document, where Ant Media has it.",
            name="get_management_openapi",
            answer=msgspec.Raw,
        ),
    ),
)
