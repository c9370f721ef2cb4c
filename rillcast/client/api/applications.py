"""Calls about applications.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.ant_media_settings import AntMediaSettings
from rillcast.client.shapes.app_settings import AppSettings
from rillcast.client.shapes.app_settings_patch import AppSettingsPatch
from rillcast.client.shapes.applications import AppInfo, AppNames, WatchedStream
from rillcast.client.shapes.common import Result
from rillcast.contracts.status import AppStatus


class Applications:
    """The apps and their settings."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_apps(self) -> list[AppStatus]:
        """The apps, and what everybody may do in them.

        ``GET /rillcast/v1/apps``
        """
        return self._ask(list[AppStatus], "GET", "/rillcast/v1/apps")

    def list_app_names(self) -> AppNames:
        """The names of all apps.

        ``GET /rest/v2/applications``
        """
        return self._ask(AppNames, "GET", "/rest/v2/applications")

    def list_app_infos(self) -> list[AppInfo]:
        """The apps in figures.

        ``GET /rest/v2/applications-info``
        """
        return self._ask(list[AppInfo], "GET", "/rest/v2/applications-info")

    def list_app_live_streams(self, app: str) -> list[WatchedStream]:
        """What is live in an app, and how many watch it.

        ``GET /rest/v2/applications/live-streams/{app}``

        `app`: The app.
        """
        return self._ask(list[WatchedStream], "GET", f"/rest/v2/applications/live-streams/{part(app)}")

    def get_app_settings(self, app: str) -> AntMediaSettings | None:
        """An app's settings.

        ``GET /rest/v2/applications/settings/{app}``

        `app`: The app.
        """
        return self._ask.perhaps(AntMediaSettings, "GET", f"/rest/v2/applications/settings/{part(app)}")

    def change_app_settings(self, app: str, body: AppSettingsPatch) -> Result:
        """Changes the settings that are given, of all instances and at once.

        ``POST /rest/v2/applications/settings/{app}``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/rest/v2/applications/settings/{part(app)}", body=body)

    def reset_app(self, app: str) -> Result:
        """Says how many broadcasts of an app have the right state. No record is changed.

        ``POST /rest/v2/applications/{app}/reset``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/rest/v2/applications/{part(app)}/reset")

    def create_app(self, app: str) -> Result:
        """Makes an app with default settings, on all instances and nodes.

        ``POST /rest/v2/applications/{app}``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/rest/v2/applications/{part(app)}")

    def upload_app(self, app: str) -> Result:
        """Makes an app with default settings. A form with a file is refused: there are no WAR files here.

        ``PUT /rest/v2/applications/{app}``

        `app`: The app.
        """
        return self._ask(Result, "PUT", f"/rest/v2/applications/{part(app)}")

    def delete_app(self, app: str, *, delete_db: bool | None = None) -> Result:
        """Deletes an app with its settings, and ends its streams. One that the file of apps names stays.

        ``DELETE /rest/v2/applications/{app}``

        `app`: The app.
        `delete_db`: Whether its broadcasts, tokens and subscribers go as well. Otherwise the next app of this name has
        them.
        """
        query: Query = {"deleteDB": delete_db}
        return self._ask(Result, "DELETE", f"/rest/v2/applications/{part(app)}", query=query)

    def get_all_app_settings(self, app: str) -> AppSettings | None:
        """An app's settings, with those that Ant Media does not have.

        ``GET /rillcast/v1/apps/{app}/settings``

        `app`: The app.
        """
        return self._ask.perhaps(AppSettings, "GET", f"/rillcast/v1/apps/{part(app)}/settings")
