"""The settings of the servers."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import ADMIN, OPERATOR
from services.signaling.rest.domain.server_settings import PostedSettings, ServerSettings
from services.signaling.rest.usecases.servers import Servers

TABLE = Table(
    tag="servers",
    about="The settings of the servers. `serverName` and `logLevel` can be changed, of all at once.",
    resource=Servers,
    input="server_settings",
    rows=(
        Endpoint(
            "GET",
            "/rest/v2/server-settings",
            OPERATOR,
            Servers.settings,
            "What holds, without secrets.",
            name="get_server_settings",
            answer=ServerSettings,
        ),
        Endpoint(
            "POST",
            "/rest/v2/server-settings",
            ADMIN,
            Servers.change_settings,
            "Changes all of what is posted or, if one key cannot be changed, nothing.",
            name="change_server_settings",
            answer=Result,
            body=PostedSettings,
            body_may_lack=True,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
            example={"body": {"serverName": "live.example.com", "logLevel": "INFO"}},
            links=(Link("get_server_settings"),),
        ),
        Endpoint(
            "POST",
            "/rest/v2/ssl-settings",
            ADMIN,
            Servers.change_certificate,
            "Always refused: certificates are given by the settings of the process. The body is not read.",
            name="change_certificate",
            answer=Result,
            consumes=("multipart/form-data",),
        ),
    ),
)
