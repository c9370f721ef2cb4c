"""The apps' settings."""

from __future__ import annotations

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import is_app_name
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Apps
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.rest.domain.parameters import App
from services.signaling.rest.domain.refusal import BadInput


class Applications:
    """One per signaling instance."""

    def __init__(self, apps: Apps, store: AppStore) -> None:
        self._apps = apps
        self._store = store

    async def settings(self, app: App) -> AppSettings | None:
        """The settings of an app; None, like the original, for an app that does not exist."""
        return self._apps.settings(app)

    async def change_settings(self, app: App, body: Patch[AppSettings]) -> Result:
        """Change the keys that are given. Returns when the store has them. Raises `BadInput`, which names what is
        wrong, and `RillcastError`: UNKNOWN_APP, STORE_UNAVAILABLE."""
        if not is_app_name(app):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        try:
            await self._store.change(app, body)
        except (PatchRefused, LadderRefused) as error:
            raise BadInput(str(error)) from error
        return Result(success=True)
