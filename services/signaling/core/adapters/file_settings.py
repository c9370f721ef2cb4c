"""Files an operator may give: app settings, a table of networks, a geographic database."""

from __future__ import annotations

from pathlib import Path

import maxminddb
import msgspec

from rillcast.apps.ladder_settings import LadderRefused, check_rungs
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.ids import AppName, is_app_name
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.region import CidrTable, GeoLookup, IpAddress


def read_apps(path: str) -> dict[AppName, AppSettings]:
    """App settings by name; none without a path. Raises ValueError that says what is wrong."""
    if not path:
        return {}
    try:
        raw = decode_json(Path(path).read_bytes(), dict[str, dict[str, object]])
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    except Undecodable as error:
        raise ValueError(f"{path}: expected an object of app settings by app name: {error}") from error
    apps: dict[AppName, AppSettings] = {}
    for name, fields in raw.items():
        if not is_app_name(name):
            raise ValueError(f"{path}: {name!r} is no app name")
        try:
            settings = msgspec.convert({**fields, "appName": name}, AppSettings)
            check_rungs(settings.encoder_settings)
        except (msgspec.ValidationError, LadderRefused) as error:
            raise ValueError(f"{path}: app {name!r}: {error}") from error
        apps[AppName(name)] = settings
    return apps


def read_cidr_table(path: str) -> CidrTable | None:
    """The table of networks; None without a path. Raises ValueError that says what is wrong."""
    if not path:
        return None
    try:
        return CidrTable.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
