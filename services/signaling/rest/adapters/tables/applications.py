"""The apps' settings."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import APPS_PATH, AppStatus
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.form_body import FORM
from services.signaling.rest.adapters.tables.guards import ADMIN, APP_OPERATOR, APP_SETTINGS, OPERATOR
from services.signaling.rest.domain.app_shapes import AppInfo, AppNames, Upload, WatchedStream
from services.signaling.rest.domain.refusal import Form, Refusal
from services.signaling.rest.domain.settings_shapes import AllSettings, AntMediaSettings, SettingsBody
from services.signaling.rest.usecases.applications import Applications

V2 = "/rest/v2/applications"
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
            name="list_apps",
            answer=list[AppStatus],
        ),
        Endpoint(
            "GET",
            V2,
            OPERATOR,
            Applications.names,
            "The names of all apps.",
            name="list_app_names",
            answer=AppNames,
            links=(Link("get_app_settings", {"app": "$response.body#/applications/0"}),),
        ),
        Endpoint(
            "GET",
            "/rest/v2/applications-info",
            OPERATOR,
            Applications.infos,
            "The apps in figures.",
            name="list_app_infos",
            answer=list[AppInfo],
        ),
        Endpoint(
            "GET",
            f"{V2}/live-streams/{{app}}",
            APP_OPERATOR,
            Applications.live_streams,
            "What is live in an app, and how many watch it.",
            name="list_app_live_streams",
            answer=list[WatchedStream],
        ),
        Endpoint(
            "GET",
            f"{V2}/settings/{{app}}",
            APP_SETTINGS,
            Applications.settings,
            "An app's settings.",
            name="get_app_settings",
            answer=AntMediaSettings,
            nothing="when there is no such app",
        ),
        Endpoint(
            "POST",
            f"{V2}/settings/{{app}}",
            APP_SETTINGS,
            Applications.change_settings,
            "Changes the settings that are given, of all instances and at once.",
            name="change_app_settings",
            answer=Result,
            body=SettingsBody,
            errors=(WRONG_TYPE, ErrorCode.UNKNOWN_APP, ErrorCode.STORE_UNAVAILABLE),
            example={"body": {"webRTCViewerLimit": 500, "publishTokenControlEnabled": False}},
            links=(Link("get_all_app_settings"),),
        ),
        Endpoint(
            "POST",
            f"{V2}/{{app}}/reset",
            ADMIN,
            Applications.reset,
            "Says how many broadcasts of an app have the right state. No record is changed.",
            name="reset_app",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{V2}/{{app}}",
            ADMIN,
            Applications.create,
            "Makes an app with default settings, on all instances and nodes.",
            name="create_app",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
            example={"app": "show"},
            links=(
                Link("get_app_settings"),
                Link("change_app_settings"),
                Link("list_app_live_streams"),
                Link("reset_app"),
                Link("delete_app"),
                Link("create_broadcast"),
            ),
        ),
        Endpoint(
            "PUT",
            f"{V2}/{{app}}",
            ADMIN,
            Applications.upload,
            "Makes an app with default settings. A form with a file is refused: there are no WAR files here.",
            name="upload_app",
            answer=Result,
            body=Upload,
            consumes=(FORM,),
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
            example={"app": "show2", "body": {}},
        ),
        Endpoint(
            "DELETE",
            f"{V2}/{{app}}",
            ADMIN,
            Applications.delete,
            "Deletes an app with its settings, and ends its streams. One that the file of apps names stays.",
            name="delete_app",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
            example={"app": "show"},
        ),
        Endpoint(
            "GET",
            f"{APPS_PATH}/{{app}}/settings",
            APP_SETTINGS,
            Applications.all_settings,
            "An app's settings, with those that Ant Media does not have.",
            name="get_all_app_settings",
            answer=AllSettings,
            nothing="when there is no such app",
        ),
    ),
)
