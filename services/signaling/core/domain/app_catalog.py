"""The apps that exist and their settings: the store's over the defaults this instance was started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.contracts.ids import AppName, is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.runtime.ports import Entry

MAX_APPS = 10_000


class AppCatalog:
    """Entries of the apps bucket go in through `apply`."""

    def __init__(self, names: Iterable[str], given: Mapping[AppName, AppSettings]) -> None:
        """`names`: apps with default settings. `given`: apps with settings from a file."""
        self._defaults = {AppName(name): AppSettings(app_name=name) for name in names} | dict(given)
        self._stored: dict[AppName, AppSettings] = {}

    def settings(self, app: AppName) -> AppSettings | None:
        """None when there is no such app."""
        return self._stored.get(app) or self._defaults.get(app)

    def names(self) -> list[AppName]:
        """Every app."""
        return sorted(self._defaults.keys() | self._stored.keys())

    def defaults(self) -> Mapping[AppName, AppSettings]:
        """What this instance was started with."""
        return self._defaults

    def apply(self, entry: Entry) -> bool:
        """Take a change of the bucket in. False when it is no app settings: then what was known stays."""
        app = AppName(entry.key)
        if entry.value is None:
            self._stored.pop(app, None)
            return True
        try:
            settings = msgspec.json.decode(entry.value, type=AppSettings)
        except msgspec.MsgspecError:
            return False
        if not is_app_name(app) or (app not in self._stored and len(self._stored) >= MAX_APPS):
            return False
        self._stored[app] = settings
        return True


def changed_settings(current: AppSettings, patch: Patch[AppSettings]) -> AppSettings:
    """`current` with what was posted. Raises `PatchRefused` or `LadderRefused` that names what is wrong."""
    changed = patch.applied_to(current, keeping="appName")
    check_rungs(changed.encoder_settings)
    return changed
