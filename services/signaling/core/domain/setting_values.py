"""What a client posts of an app's settings, sorted into what is to change and what is refused.

Values are read as Ant Media reads them: ``"true"`` is a boolean, ``"5"`` and ``5.7`` are the whole number 5, and a
number is text where text is wanted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rillcast.contracts.fields import MAX_INTEGER
from rillcast.contracts.records import AppSettings, LadderRung
from services.signaling.core.domain.access_rules import unknown_protection
from services.signaling.core.domain.app_spelling import as_stored
from services.signaling.core.domain.codec_switches import said_strictly
from services.signaling.core.domain.protection import HIDDEN, ProtectionRefused
from services.signaling.core.domain.setting_table import (
    BOOKKEEPING,
    CUSTOM,
    RUNGS_TEXT,
    SETTINGS,
    Effect,
    Json,
    Kind,
    Setting,
)

LONGEST_KEPT = 2_000
"""Of the JSON of one value that is stored, in characters."""
LONGEST_CUSTOM = 16_384
"""Of the JSON of ``customSettings``."""
_RUNGS = "encoderSettings"
_STRICT = "strictCodecs"
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


class WrongType(ValueError):
    """A value is of another type than its key has. The message names the key."""


class SettingsRefused(ProtectionRefused):
    """Settings that this build cannot obey, or values that are not possible. The message names every such key."""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change."""

    fields: dict[str, msgspec.Raw]
    """Of `AppSettings`, by their names in the store."""
    kept: dict[str, str]
    """What is kept from now on, as `AppSettings.kept`."""


def sort_out(posted: Mapping[str, msgspec.Raw], current: AppSettings) -> Posted:
    """Raises `WrongType`, or `SettingsRefused`. Keys that no setting has are passed over."""
    values = {key: read(SETTINGS[key], raw) for key, raw in posted.items() if key in SETTINGS}
    _refuse(values, posted)
    typed = {key: _raw(value) for key, value in values.items()}
    fields = {key: raw for key, raw in as_stored({**posted, **typed}).items() if key in _FIELDS}
    if (strict := said_strictly({**posted, **typed}, current)) != current.strict_codecs:
        fields.setdefault(_STRICT, _raw(list(strict)))
    fields.pop(_RUNGS, None)
    if (rungs := _rungs(values, current)) is not None:
        fields[_RUNGS] = _raw(rungs)
    return Posted(fields=fields, kept=_kept(values, current))


def read(setting: Setting, raw: msgspec.Raw) -> Json:
    """The value that was posted for a setting, in the setting's own type. Raises `WrongType`, or `SettingsRefused` for
    a list or an object that makes no sense."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise WrongType(f"{setting.key}: it is {setting.kind}, and that is no JSON or nested too deeply") from error
    if value is None:
        return _null(setting)
    found = _READERS[setting.kind](value)
    if found is None:
        raise WrongType(f"{setting.key}: it is {setting.kind}, not {'that' if setting.secret else _short(value)}")
    if setting.key == _RUNGS:
        return _as_rungs(setting.key, found)
    if setting.least is not None:
        return _at_least(setting, str(found), setting.least)
    return found


def rungs_of_text(text: str) -> Json:
    """Rungs that are written as text. Raises `SettingsRefused`."""
    text = text.strip()
    if not text:
        return []
    if text.startswith("["):
        try:
            return _as_rungs(RUNGS_TEXT, msgspec.json.decode(text))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise SettingsRefused(f"{RUNGS_TEXT}: that is no JSON") from error
    words = [word.strip() for word in text.split(",")]
    if len(words) % 3 or not all(_WHOLE.fullmatch(word) for word in words):
        raise SettingsRefused(f"{RUNGS_TEXT}: it has height, video and audio bitrate of each rung, between commas")
    numbers = [int(word) for word in words]
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return [{"height": height, "videoBitrate": video, "audioBitrate": audio} for height, video, audio in triples]


def _null(setting: Setting) -> Json:
    """Null is what a client posts back for a key that it read as null, and older ones read some of them so."""
    if setting.nullable or setting.default == "" or setting.kind in (Kind.LIST, Kind.OBJECT):
        return setting.default
    raise WrongType(f"{setting.key}: it is {setting.kind}, not null")


def _as_boolean(value: Any) -> Json:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool) else None


def _as_integer(value: Any) -> Json:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and abs(value) < MAX_INTEGER:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER else None


def _as_number(value: Any) -> Json:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _as_text(value: Any) -> Json:
    if isinstance(value, (bool, int, float)):
        return msgspec.json.encode(value).decode()
    return value if isinstance(value, str) else None


def _as_list(value: Any) -> Json:
    return value if isinstance(value, list) else None


def _as_object(value: Any) -> Json:
    return value if isinstance(value, dict) else None


_READERS: Mapping[Kind, Callable[[Any], Json]] = {
    Kind.BOOLEAN: _as_boolean,
    Kind.INTEGER: _as_integer,
    Kind.NUMBER: _as_number,
    Kind.TEXT: _as_text,
    Kind.LIST: _as_list,
    Kind.OBJECT: _as_object,
}
_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(AppSettings) if field.name not in BOOKKEEPING)


def _at_least(setting: Setting, text: str, least: int) -> Json:
    if not _NUMBER.fullmatch(text.strip()):
        raise SettingsRefused(f"{setting.key}: {_short(text)} is no number")
    return text if float(text) >= least else str(least)


def _as_rungs(key: str, value: Any) -> Json:
    try:
        rungs = msgspec.convert(value, tuple[LadderRung, ...], strict=False)
    except msgspec.ValidationError as error:
        raise SettingsRefused(f"{key}: {error}") from error
    return list(msgspec.to_builtins(rungs))


def _rungs(values: Mapping[str, Json], current: AppSettings) -> Json:
    """The ladder comes as a list and as text. The one that is not as it was is meant; None if both are. No text beside
    a list says nothing."""
    before = list(msgspec.to_builtins(current.encoder_settings))
    listed = values.get(_RUNGS)
    text = values.get(RUNGS_TEXT)
    said = text is not None and bool(str(text).strip() or listed is None)
    written = _as_rungs(RUNGS_TEXT, rungs_of_text(str(text))) if said else None
    changed = [one for one in (listed, written) if one is not None and one != before]
    if len(changed) == 2 and changed[0] != changed[1]:
        raise SettingsRefused(f"{_RUNGS} and {RUNGS_TEXT} say different things; post one of them")
    return changed[0] if changed else None


def _refuse(values: Mapping[str, Json], posted: Mapping[str, msgspec.Raw]) -> None:
    """Every key with the reason, those of one reason together."""
    refused = {key: SETTINGS[key] for key, value in values.items() if value != SETTINGS[key].default}
    reasons = {key: one.why for key, one in refused.items() if one.effect is Effect.REFUSED}
    reasons |= unknown_protection({key: raw for key, raw in posted.items() if key not in SETTINGS})
    keys: dict[str, list[str]] = {}
    for key in sorted(reasons):
        keys.setdefault(reasons[key], []).append(key[:80])
    if keys:
        raise SettingsRefused("; ".join(f"{', '.join(found)}: {why}" for why, found in keys.items()))


def _raw(value: Json) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _kept(values: Mapping[str, Json], current: AppSettings) -> dict[str, str]:
    kept = {key: text for key, text in current.kept.items() if _is_stored(key)}
    for key, value in values.items():
        setting = SETTINGS[key]
        if setting.effect is not Effect.STORED or (setting.secret and value == HIDDEN):
            continue
        kept.pop(key, None)
        if value != setting.default:
            kept[key] = msgspec.json.encode(value).decode()
            longest = LONGEST_CUSTOM if key == CUSTOM else LONGEST_KEPT
            if len(kept[key]) > longest:
                raise SettingsRefused(f"{key}: it has {len(kept[key])} characters, at most {longest} are kept")
    return kept


def _is_stored(key: str) -> bool:
    """Not so of what an older version has kept and this one acts on."""
    return key in SETTINGS and SETTINGS[key].effect is Effect.STORED


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}…"
