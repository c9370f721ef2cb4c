"""The apps' settings."""

from __future__ import annotations

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.records import AppSettings
from rillcast.contracts.status import APPS_PATH, AppStatus
from services.signaling.core.domain.app_spelling import ShownSettings
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_SETTINGS, OPERATOR
from services.signaling.rest.usecases.applications import Applications

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
            answer=ShownSettings,
            nothing="when there is no such app",
        ),
        Endpoint(
            "POST",
            "/rest/v2/applications/settings/{app}",
            APP_SETTINGS,
            Applications.change_settings,
            "Changes the settings that are given, of all instances and at once.",
            answer=Result,
            body=Patch[AppSettings],
            errors=(ErrorCode.UNKNOWN_APP, ErrorCode.STORE_UNAVAILABLE),
        ),
    ),
)
