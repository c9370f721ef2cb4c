"""The settings of an app as REST shows them: made of the table of settings, so that no key is written down twice."""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any, get_type_hints

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.protection import HIDDEN, hidden
from services.signaling.core.domain.setting_table import OWN, RUNGS_TEXT, SETTINGS, WHOLE, Effect, Json, Kind, Setting

_TYPES: dict[Kind, Any] = {
    Kind.BOOLEAN: bool,
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.TEXT: str,
    Kind.LIST: list[Any],
    Kind.OBJECT: dict[str, Any],
}
_HINTS = get_type_hints(AppSettings, include_extras=True)
_OWN_FIELDS = [field for field in msgspec.structs.fields(AppSettings) if field.name in OWN]
Member = tuple[str, Any, Any]


def _member(setting: Setting) -> Member:
    kind: Any = _HINTS[setting.field] if setting.field else _TYPES[setting.kind]
    if setting.nullable and not setting.field:
        kind = kind | None
    said = {Effect.REFUSED: "Refused if it is anything else", Effect.STORED: "Stored"}.get(setting.effect, "")
    if said:
        only = {"enum": [setting.default]} if setting.effect is Effect.REFUSED else None
        kind = Annotated[kind, msgspec.Meta(description=f"{said}: {setting.why}.", extra_json_schema=only)]
    return setting.key, kind, msgspec.field(default_factory=lambda: setting.default)


def _own_members() -> list[Member]:
    return [(field.encode_name, _HINTS[field.name], msgspec.field(default=field.default)) for field in _OWN_FIELDS]


_THEIRS = [_member(setting) for setting in SETTINGS.values()]
AntMediaSettings: type[msgspec.Struct] = msgspec.defstruct(
    "AntMediaSettings", _THEIRS, kw_only=True, namespace={"__doc__": "The settings of an app, as Ant Media names them."}
)
AllSettings: type[msgspec.Struct] = msgspec.defstruct(
    "AppSettings",
    [*_THEIRS, *_own_members()],
    kw_only=True,
    namespace={"__doc__": "The settings of an app: Ant Media's and ours."},
)
SettingsBody: Any = GenericAlias(Patch, (AllSettings,))
"""What is posted: some of their keys."""


def shown(settings: AppSettings) -> msgspec.Struct:
    """Ant Media's settings, without secrets."""
    return AntMediaSettings(**_theirs(hidden(settings)))


def all_shown(settings: AppSettings) -> msgspec.Struct:
    """All settings, without secrets."""
    covered = hidden(settings)
    return AllSettings(**_theirs(covered), **{field.encode_name: getattr(covered, field.name) for field in _OWN_FIELDS})


def _theirs(settings: AppSettings) -> dict[str, Any]:
    return {setting.key: _value(setting, settings) for setting in SETTINGS.values()}


def _value(setting: Setting, settings: AppSettings) -> Any:
    if setting.effect is Effect.STORED and setting.key in settings.kept:
        return HIDDEN if setting.secret else msgspec.json.decode(settings.kept[setting.key])
    if setting.field:
        value = getattr(settings, setting.field)
        return int(value) if isinstance(value, float) and setting.key in WHOLE and value.is_integer() else value
    return _told(settings).get(setting.key, setting.default)


def _told(settings: AppSettings) -> dict[str, Json]:
    rungs = settings.encoder_settings
    return {
        "appName": settings.app_name,
        "updateTime": settings.update_time,
        "appInstallationTime": settings.app_installation_time,
        RUNGS_TEXT: msgspec.json.encode(rungs).decode() if rungs else "",
    }
