"""The apps that exist and their settings: the store's over what this instance was started with. In what protects an
app, a file counts first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.apps.stored import StoredApps, StoredRefused
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.runtime.ports import Entry
from services.signaling.core.domain.access_rules import check_access
from services.signaling.core.domain.protection import check_change, pinned_by, without_hidden
from services.signaling.core.domain.setting_values import sort_out

DELETED = b'{"deleted":true}'
"""What the store has for an app that was there from the start and was deleted. No version reads it as settings."""


class AppCatalog:
    """Entries of the apps bucket go in through `apply`."""

    def __init__(self, names: Iterable[str], given: Mapping[AppName, AppSettings], *, server_secret: str = "") -> None:
        """`names`: apps with default settings. `given`: apps with settings from a file. `server_secret`: that of the
        JWT for the whole server, which no app may have for its own."""
        self.server_secret = server_secret
        self._given = dict(given)
        self._defaults = {name: AppSettings(app_name=name) for name in map(AppName, names)} | self._given
        self._pins = {app: pins for app, settings in given.items() if (pins := pinned_by(settings))}
        self._pinned: dict[AppName, AppSettings] = {}
        """What holds for apps in the store of which the file has pinned something."""
        self._stored = StoredApps()
        self._deleted: set[AppName] = set()
        """Of the apps that were there from the start."""

    def settings(self, app: AppName) -> AppSettings | None:
        """The settings that hold for an app now; None when there is no such app."""
        if app in self._deleted:
            return None
        return self._pinned.get(app) or self._stored.get(app) or self._defaults.get(app)

    def names(self) -> set[AppName]:
        """Every app that there is."""
        return (self._stored.names() | set(self._defaults)) - self._deleted

    def from_the_start(self, app: AppName) -> bool:
        """Whether the app is there unless it was deleted, though the store has nothing of it."""
        return app in self._defaults

    def given(self) -> Mapping[AppName, AppSettings]:
        """What the file gives."""
        return self._given

    def pins(self, app: AppName) -> dict[str, object]:
        """What the file gives that protects the app."""
        return self._pins.get(app, {})

    def pinned(self, app: AppName, settings: AppSettings) -> AppSettings:
        """The settings with what the file has pinned."""
        return msgspec.structs.replace(settings, **self.pins(app))

    def apply(self, entry: Entry) -> bool:
        """Take a change of the bucket in. False when it is no app settings: then what was known stays."""
        app, deleted = AppName(entry.key), entry.value in (None, DELETED)
        try:
            self._stored.apply(entry.key, None if deleted else entry.value)
        except StoredRefused:
            return False
        if entry.value == DELETED and app in self._defaults and app not in self._given:
            self._deleted.add(app)
        else:
            self._deleted.discard(app)
        stored = self._stored.get(app)
        if stored is None:
            self._pinned.pop(app, None)
        elif app in self._pins:
            self._pinned[app] = self.pinned(app, stored)
        return True


def merged(current: AppSettings, patch: Patch[AppSettings]) -> AppSettings:
    """`current` with the keys that were posted, as far as each of them alone is possible. Raises `WrongType`,
    `PatchRefused` or `SettingsRefused`."""
    posted = sort_out(patch.posted, current)
    changed = without_hidden(Patch[AppSettings](posted.fields)).applied_to(current, keeping="appName")
    return msgspec.structs.replace(changed, kept=posted.kept)


def changed_settings(
    current: AppSettings, patch: Patch[AppSettings], pins: dict[str, object], *, server_secret: str = ""
) -> AppSettings:
    """`current` with what was posted. `pins`: what a file has set for good. Raises `WrongType`, `PatchRefused`,
    `LadderRefused` or `ProtectionRefused`, which names what is wrong."""
    changed = merged(current, patch)
    check_rungs(changed.encoder_settings)
    check_change(current, changed, pins, server_secret=server_secret)
    check_access(changed, current)
    return changed
