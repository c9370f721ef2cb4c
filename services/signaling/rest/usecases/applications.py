"""The apps' settings."""

from __future__ import annotations

from collections import Counter

import msgspec

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.contracts.status import AppStatus
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.doors import open_doors
from services.signaling.core.domain.protection import ProtectionRefused
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.setting_values import WrongType
from services.signaling.core.ports import Audience
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.rest.domain.parameters import App
from services.signaling.rest.domain.refusal import BadInput, Form, NotTaken
from services.signaling.rest.domain.settings_shapes import all_shown, shown
from services.signaling.rest.ports import PublishedStreams


class Applications:
    """One per signaling instance."""

    def __init__(self, apps: AppCatalog, store: AppStore, streams: PublishedStreams, audience: Audience) -> None:
        self._apps = apps
        self._store = store
        self._streams = streams
        self._audience = audience

    async def list_all(self) -> list[AppStatus]:
        """Every app, by name."""
        streams = Counter(live.app for live in self._streams.all())
        return [
            AppStatus(
                app=name,
                open_to=open_doors(settings),
                streams=streams[name],
                viewers=self._audience.viewers_of_app(name),
            )
            for name in sorted(self._apps.names())
            if (settings := self._apps.settings(name)) is not None
        ]

    async def settings(self, app: App) -> msgspec.Struct | None:
        """Ant Media's settings of an app without its secrets; None, like the original, for an app that does not
        exist."""
        settings = self._apps.settings(app)
        return None if settings is None else shown(settings)

    async def all_settings(self, app: App) -> msgspec.Struct | None:
        """Those, and the settings that Ant Media does not have."""
        settings = self._apps.settings(app)
        return None if settings is None else all_shown(settings)

    async def change_settings(self, app: App, body: Patch[AppSettings]) -> Result:
        """Change the keys that are given: all of them, or none. Returns when the store has them. Raises `BadInput`,
        which names what is wrong, and `RillcastError`: UNKNOWN_APP, STORE_UNAVAILABLE."""
        if not is_app_name(app):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        try:
            await self._store.change(app, body)
        except WrongType as error:
            raise BadInput(str(error), Form.TEXT) from error
        except (PatchRefused, LadderRefused, ProtectionRefused) as error:
            raise NotTaken(str(error)) from error
        return Result(success=True)
