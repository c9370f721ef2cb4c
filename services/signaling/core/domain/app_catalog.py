"""The apps that exist and their settings: the store's over the defaults this instance was started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.apps.stored import StoredApps, StoredRefused
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.runtime.ports import Entry


class AppCatalog:
    """Entries of the apps bucket go in through `apply`."""

    def __init__(self, names: Iterable[str], given: Mapping[AppName, AppSettings]) -> None:
        """`names`: apps with default settings. `given`: apps with settings from a file."""
        self._defaults = {name: AppSettings(app_name=name) for name in map(AppName, names)} | dict(given)
        self._stored = StoredApps()

    def settings(self, app: AppName) -> AppSettings | None:
        """The settings that hold for an app now; None when there is no such app."""
        return self._stored.get(app) or self._defaults.get(app)

    def names(self) -> set[AppName]:
        """Every app that there is."""
        return self._stored.names() | set(self._defaults)

    def defaults(self) -> Mapping[AppName, AppSettings]:
        """What this instance was started with."""
        return self._defaults

    def apply(self, entry: Entry) -> bool:
        """Take a change of the bucket in. False when it is no app settings: then what was known stays."""
        try:
            self._stored.apply(entry.key, entry.value)
        except StoredRefused:
            return False
        return True


def changed_settings(current: AppSettings, patch: Patch[AppSettings]) -> AppSettings:
    """`current` with what was posted. Raises `PatchRefused` or `LadderRefused` that names what is wrong."""
    changed = patch.applied_to(current, keeping="appName")
    check_rungs(changed.encoder_settings)
    return changed
