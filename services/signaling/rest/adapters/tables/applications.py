"""The apps' settings."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import APPS_PATH, AppStatus
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_SETTINGS, OPERATOR
from services.signaling.rest.domain.refusal import Form, Refusal
from services.signaling.rest.domain.settings_shapes import AllSettings, AntMediaSettings, SettingsBody
from services.signaling.rest.usecases.applications import Applications

WRONG_TYPE = Refusal(400, "a setting is of another type than its key has", Form.TEXT)
TABLE = Table(
    tag="applications",
    about="The apps and their settings.",
    resource=Applications,
    input="app_settings",
    rows=(
        Endpoint(
            "GET",
            APPS_PATH,
            OPERATOR,
            Applications.list_all,
            "The apps, and what everybody may do in them.",
            answer=list[AppStatus],
        ),
        Endpoint(
            "GET",
            "/rest/v2/applications/settings/{app}",
            APP_SETTINGS,
            Applications.settings,
            "An app's settings.",
            answer=AntMediaSettings,
            nothing="when there is no such app",
        ),
        Endpoint(
            "POST",
            "/rest/v2/applications/settings/{app}",
            APP_SETTINGS,
            Applications.change_settings,
            "Changes the settings that are given, of all instances and at once.",
            answer=Result,
            body=SettingsBody,
            errors=(WRONG_TYPE, ErrorCode.UNKNOWN_APP, ErrorCode.STORE_UNAVAILABLE),
        ),
        Endpoint(
            "GET",
            f"{APPS_PATH}/{{app}}/settings",
            APP_SETTINGS,
            Applications.all_settings,
            "An app's settings, with those that Ant Media does not have.",
            answer=AllSettings,
            nothing="when there is no such app",
        ),
    ),
)
