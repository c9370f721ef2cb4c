"""What the settings of apps mean."""

from __future__ import annotations

from rillcast.contracts.status import SETTING_WORDS_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import SOMEBODY
from services.signaling.rest.usecases.setting_reference import SettingReference, SettingWords

TABLE = Table(
    tag="meanings of settings",
    about="What the settings of apps mean.",
    resource=SettingReference,
    input="app_settings",
    rows=(
        Endpoint(
            "GET",
            SETTING_WORDS_PATH,
            SOMEBODY,
            SettingReference.all,
            "Each setting of an app by its name: its meaning, its type, its default, and whether it acts here.",
            name="list_app_setting_words",
            answer=list[SettingWords],
        ),
    ),
)
