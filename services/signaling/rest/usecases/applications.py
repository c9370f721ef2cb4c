"""The apps' settings."""

from __future__ import annotations

from collections import Counter

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.contracts.status import AppStatus
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.app_spelling import ShownSettings, as_shown
from services.signaling.core.domain.doors import open_doors
from services.signaling.core.domain.protection import ProtectionRefused, hidden
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Audience
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.rest.domain.parameters import App
from services.signaling.rest.domain.refusal import BadInput
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

    async def settings(self, app: App) -> ShownSettings | None:
        """The settings of an app without its secrets; None, like the original, for an app that does not exist."""
        settings = self._apps.settings(app)
        return None if settings is None else as_shown(hidden(settings))

    async def change_settings(self, app: App, body: Patch[AppSettings]) -> Result:
        """Change the keys that are given. Returns when the store has them. Raises `BadInput`, which names what is
        wrong, and `RillcastError`: UNKNOWN_APP, STORE_UNAVAILABLE."""
        if not is_app_name(app):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        try:
            await self._store.change(app, body)
        except (PatchRefused, LadderRefused, ProtectionRefused) as error:
            raise BadInput(str(error)) from error
        return Result(success=True)
