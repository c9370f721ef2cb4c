"""A geographic database that an operator may give."""

from __future__ import annotations

import maxminddb

from services.signaling.core.domain.region import GeoLookup, IpAddress


class GeoDatabase:
    """A MaxMind database, held in memory: a lookup never waits for a disk."""

    def __init__(self, path: str) -> None:
        """Raises OSError or `maxminddb.InvalidDatabaseError`."""
        self._reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)

    def codes(self, address: IpAddress) -> list[str]:
        """ISO country and continent of an address, as far as known."""
        try:
            found = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return []
        if not isinstance(found, dict):
            return []
        parts = ((found.get("country"), "iso_code"), (found.get("continent"), "code"))
        codes = [part.get(key) for part, key in parts if isinstance(part, dict)]
        return [code for code in codes if isinstance(code, str)]


def open_geo_database(path: str) -> GeoLookup | None:
    """The lookup; None without a path. Raises ValueError that says what is wrong."""
    if not path:
        return None
    try:
        return GeoDatabase(path).codes
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ValueError(f"cannot read the MaxMind database {path}: {error}") from error
