"""The cluster's license."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.messages import LicenseStatus, LicenseUsage
from rillcast.contracts.status import LICENSE_PATH, LICENSE_USAGE_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.domain.shapes import Licence
from services.signaling.rest.usecases.license import License

UNKNOWN = "while no license service has answered"

TABLE = Table(
    tag="license",
    about="The cluster's license, in Ant Media's shape and in our own.",
    resource=License,
    input="license",
    rows=(
        Endpoint(
            "GET",
            "/rest/v2/licence-status",
            OPERATOR,
            License.licence,
            "The license in force, asked anew, or what another license document would be worth.",
            name="get_licence_status",
            answer=Licence,
            nothing="without a key, and while no license service has answered",
            errors=(ErrorCode.NO_NODE_AVAILABLE,),
        ),
        Endpoint(
            "GET",
            "/rest/v2/last-licence-status",
            OPERATOR,
            License.last_licence,
            "The license in force, as last heard.",
            name="get_last_licence_status",
            answer=Licence,
            nothing=UNKNOWN,
        ),
        Endpoint(
            "GET",
            LICENSE_PATH,
            OPERATOR,
            License.status,
            "The license in force with its limits and the seats taken, asked anew.",
            name="get_license",
            answer=LicenseStatus,
            nothing=UNKNOWN,
        ),
        Endpoint(
            "GET",
            LICENSE_USAGE_PATH,
            OPERATOR,
            License.usage,
            "Node-hours day by day, and the same as a signed document.",
            name="get_license_usage",
            answer=LicenseUsage,
            errors=(ErrorCode.BAD_REQUEST, ErrorCode.NO_NODE_AVAILABLE),
        ),
    ),
)
