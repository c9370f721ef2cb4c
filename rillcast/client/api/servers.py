"""Calls about servers.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.servers import PostedSettings, ServerSettings


class Servers:
    """The settings of the servers. `serverName` and `logLevel` can be changed, of all at once."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_server_settings(self) -> ServerSettings:
        """What holds, without secrets.

        ``GET /rest/v2/server-settings``
        """
        return self._ask(ServerSettings, "GET", "/rest/v2/server-settings")

    def change_server_settings(self, body: PostedSettings | None = None) -> Result:
        """Changes all of what is posted or, if one key cannot be changed, nothing.

        ``POST /rest/v2/server-settings``
        """
        return self._ask(Result, "POST", "/rest/v2/server-settings", body=body)

    def change_certificate(self, *, domain: str | None = None, type: str | None = None) -> Result:
        """Always refused: certificates are given by the settings of the process. The body is not read.

        ``POST /rest/v2/ssl-settings``

        `domain`: The host name of the certificate.
        `type`: CUSTOM_DOMAIN, ANTMEDIA_SUBDOMAIN or CUSTOM_CERTIFICATE.
        """
        query: Query = {"domain": domain, "type": type}
        return self._ask(Result, "POST", "/rest/v2/ssl-settings", query=query)
