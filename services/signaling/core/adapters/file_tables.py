"""Text files that an operator may give: app settings, and a table of networks."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rillcast.apps.ladder_settings import LadderRefused, check_rungs
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.ids import AppName, is_app_name
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.access_rules import check_access
from services.signaling.core.domain.app_catalog import merged
from services.signaling.core.domain.protection import ProtectionRefused, check_protection
from services.signaling.core.domain.region import CidrTable
from services.signaling.core.domain.setting_values import WrongType


def read_apps(path: str, *, server_secret: str = "") -> dict[AppName, AppSettings]:
    """App settings by name; none without a path. `server_secret`: that of the JWT for the whole server, which no app
    may have. Raises ValueError that says what is wrong."""
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
            settings = merged(AppSettings(app_name=AppName(name)), Patch.parse(msgspec.json.encode(fields)))
            check_rungs(settings.encoder_settings)
            check_protection(settings, server_secret=server_secret)
            check_access(settings)
        except (PatchRefused, WrongType, LadderRefused, ProtectionRefused) as error:
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
