"""docs/reference/app_settings.md: what each setting of an app does, from the table of settings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator

import msgspec

from rillcast.contracts.records import AbrSettings, AppSettings
from scripts.reference import docstrings
from scripts.reference.faults import Undocumented
from scripts.reference.markdown import bullet, bullets, page, paragraph
from services.signaling.core.domain.setting_table import OWN, SETTINGS, Effect, Setting

NAME = "app_settings.md"
INTRODUCTION = f"""
`GET /rest/v2/applications/settings/{{app}}` answers with Ant Media's {len(SETTINGS)} keys, and
`GET /rillcast/v1/apps/{{app}}/settings` with ours as well. `POST` to the former changes the keys that are given, of all
instances and nodes at once, and takes both. The file of `RILLCAST_SIGNALING_APPS_FILE` takes the same keys.

One rule says what becomes of a key of Ant Media's. It **acts** if it does here what it says. Of the others, it is
**stored** only where no value of it asks for anything that would be missed: it tunes a part that is not here at all, or
what it says holds here whatever it is. Everything else is **refused**: only its default is taken, since any other value
asks for something that this build does not do. A `POST` with such a value is refused as a whole, and the answer names
each such key. So a body that was read by `GET` can always be posted back.

Secrets are never given back: `********` stands in their place, and posted back it changes nothing. A key that nobody
has is passed over, unless it sounds as if it would protect something.
"""
HEADINGS = {
    Effect.ACTS: "What acts",
    Effect.STORED: "What is stored",
    Effect.REFUSED: "What is refused",
    Effect.TOLD: "What the server says",
}
FIRST = {
    Effect.STORED: "These are kept and given back, and change nothing.",
    Effect.REFUSED: "Only the default is taken.",
    Effect.TOLD: "What is posted of these is passed over.",
}


def render() -> str:
    """The page. Raises `Undocumented` for a setting that acts and has no docstring."""
    meanings = meanings_of_fields()
    parts = [part for effect in HEADINGS for part in _section(effect, meanings)]
    return page(
        "Settings of an app",
        "`services/signaling/core/domain/setting_table.py` and `rillcast/contracts/records.py`",
        INTRODUCTION,
        [*parts, "## What Ant Media does not have", bullets(_own(meanings))],
    )


def meanings_of_fields() -> dict[str, str]:
    """The docstring of each setting, by its field. Raises `Undocumented` for one that has none."""
    meanings = docstrings.of_attributes(AbrSettings) | docstrings.of_attributes(AppSettings)
    fields = {field.name for field in msgspec.structs.fields(AppSettings)} - {"app_name", "kept"}
    if faults := [f"AppSettings.{name} has no docstring" for name in sorted(fields - meanings.keys())]:
        raise Undocumented(faults)
    return meanings


def _section(effect: Effect, meanings: dict[str, str]) -> Iterator[str]:
    found = [setting for setting in SETTINGS.values() if setting.effect is effect]
    yield f"## {HEADINGS[effect]}"
    if effect is Effect.ACTS:
        yield bullets(f"{_head(one)}: {meanings.get(one.field) or one.why}" for one in found)
        return
    yield paragraph(FIRST[effect])
    for why, group in itertools.groupby(sorted(found, key=lambda one: (one.why, one.key)), key=lambda one: one.why):
        if why:
            yield paragraph(f"{why[0].upper()}{why[1:]}:")
        yield "\n".join(_bullets(group))


def _bullets(group: Iterable[Setting]) -> Iterator[str]:
    for setting in group:
        yield bullet(_head(setting))


def _head(setting: Setting) -> str:
    secret = ", secret" if setting.secret else ""
    default = json.dumps(setting.default)
    return f"`{setting.key}` ({setting.kind}{secret}; by default `{default}`)"


def _own(meanings: dict[str, str]) -> Iterator[str]:
    for field in msgspec.structs.fields(AppSettings):
        if field.name in OWN:
            default = msgspec.json.encode(field.default).decode()
            yield f"`{field.encode_name}` (by default `{default}`): {meanings[field.name]}"
