"""What each setting of an app means: for the console, from the table of which the reference page is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.secret_fields import is_secret
from services.signaling.core.domain.setting_table import OWN, SETTINGS, Effect, Kind, kind_of


class SettingWords(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One setting of an app, in words."""

    key: str
    kind: Kind
    """The type of its values."""
    default: Any
    effect: Effect
    """What becomes of a value that is set."""
    meaning: str
    """What it does. Of one that is stored or refused: why that is so."""
    secret: bool
    """Whether its value is never given back."""
    nullable: bool
    """Whether it may be null."""
    ours: bool
    """Whether Ant Media does not have it."""


class SettingReference:
    """One per signaling instance."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        """`meanings`: by the names of the fields of `AppSettings`."""
        self._words = sorted([*_theirs(meanings), *_ours(meanings)], key=lambda one: one.key)

    async def all(self) -> list[SettingWords]:
        """Every setting, by name."""
        return self._words


def _theirs(meanings: Mapping[str, str]) -> list[SettingWords]:
    return [
        SettingWords(
            key=one.key,
            kind=one.kind,
            default=one.default,
            effect=one.effect,
            meaning=meanings.get(one.field) or one.why,
            secret=one.secret,
            nullable=one.nullable,
            ours=False,
        )
        for one in SETTINGS.values()
    ]


def _ours(meanings: Mapping[str, str]) -> list[SettingWords]:
    hints = get_type_hints(AppSettings, include_extras=True)
    return [
        SettingWords(
            key=field.encode_name,
            kind=kind_of(field.default),
            default=field.default,
            effect=Effect.ACTS,
            meaning=meanings[field.name],
            secret=is_secret(hints[field.name]),
            nullable=field.default is None,
            ours=True,
        )
        for field in msgspec.structs.fields(AppSettings)
        if field.name in OWN
    ]
