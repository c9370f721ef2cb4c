"""Calls about license.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query
from rillcast.client.shapes.common import Licence
from rillcast.contracts.messages.license import LicenseStatus, LicenseUsage


class License:
    """The cluster's license, in Ant Media's shape and in our own."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_licence_status(self, *, key: str | None = None) -> Licence | None:
        """The license in force, asked anew, or what another license document would be worth.

        ``GET /rest/v2/licence-status``

        `key`: The id of the license in force, or nothing, or the text of any license document, which is only looked at.
        """
        query: Query = {"key": key}
        return self._ask.perhaps(Licence, "GET", "/rest/v2/licence-status", query=query)

    def get_last_licence_status(self) -> Licence | None:
        """The license in force, as last heard.

        ``GET /rest/v2/last-licence-status``
        """
        return self._ask.perhaps(Licence, "GET", "/rest/v2/last-licence-status")

    def get_license(self) -> LicenseStatus | None:
        """The license in force with its limits and the seats taken, asked anew.

        ``GET /rillcast/v1/license``
        """
        return self._ask.perhaps(LicenseStatus, "GET", "/rillcast/v1/license")

    def get_license_usage(self, *, from_: str | None = None, to: str | None = None) -> LicenseUsage:
        """Node-hours day by day, and the same as a signed document.

        ``GET /rillcast/v1/license/usage``

        `from_`: The first day, like 2026-09-14. Without it, the first day that was counted.
        `to`: The last day, included. Without it, today.
        """
        query: Query = {"from": from_, "to": to}
        return self._ask(LicenseUsage, "GET", "/rillcast/v1/license/usage", query=query)
