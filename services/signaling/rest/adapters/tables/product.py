"""What this server is."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR, SOMEBODY
from services.signaling.rest.domain.shapes import Version
from services.signaling.rest.usecases.product import Product

TABLE = Table(
    tag="product",
    about="What this server is.",
    resource=Product,
    input="product",
    rows=(
        Endpoint(
            "GET",
            "/rest/v2/version",
            SOMEBODY,
            Product.version,
            "The server's version and edition.",
            name="get_version",
            answer=Version,
        ),
        Endpoint(
            "GET",
            "/{app}/rest/v2/version",
            APP_OPERATOR,
            Product.version,
            "The same, asked of an app.",
            answer=Version,
            name="get_app_version",
        ),
        Endpoint(
            "GET",
            "/rest/v2/enterprise-edition",
            SOMEBODY,
            Product.edition,
            "Whether WebRTC playback is there. It always is.",
            name="get_edition",
            answer=Result,
        ),
    ),
)
