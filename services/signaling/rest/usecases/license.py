"""The cluster's license, in Ant Media's shape and in our own."""

from __future__ import annotations

from rillcast.contracts.messages import LicenseStatus, LicenseUsage
from services.signaling.rest.domain import shapes
from services.signaling.rest.domain.parameters import FirstDay, LastDay, LicenseKey
from services.signaling.rest.domain.shapes import Licence
from services.signaling.rest.ports import Licenses


class License:
    """One per signaling instance."""

    def __init__(self, licenses: Licenses) -> None:
        self._licenses = licenses

    async def last_licence(self) -> Licence | None:
        """The license as last heard of; None while nothing is known."""
        status = self._licenses.status
        return None if status is None else shapes.license(status)

    async def licence(self, key: LicenseKey = None) -> Licence | None:
        """Asked anew; None without a key, as with Ant Media. An empty one, which panels send that know none, and its id
        mean the license in force. Another document is looked at, not installed. Raises `RillcastError` when no license
        service answers."""
        if key is None:
            return None
        key = key.strip()
        await self._licenses.refresh()
        known = self._licenses.status
        if known is None or key in ("", known.license_id):
            return await self.last_licence()
        return shapes.license(await self._licenses.check(key))

    async def status(self) -> LicenseStatus | None:
        """The license in force, its limits and the seats taken, asked anew; None while nothing is known."""
        await self._licenses.refresh()
        return self._licenses.status

    async def usage(self, first_day: FirstDay = "", last_day: LastDay = "") -> LicenseUsage:
        """Node-hours day by day, and the same as a signed document. Raises `RillcastError`."""
        return await self._licenses.usage(first_day, last_day)
