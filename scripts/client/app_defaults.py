"""Writes `rillcast/client/shapes/app_defaults.py`: what a new app has, and what cannot be set."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.client.modules import Imports, module
from services.signaling.core.domain.setting_table import SETTINGS, Effect

NAME = "app_defaults"


def app_defaults() -> str:
    """The text of the module."""
    imports = Imports()
    imports.add("collections.abc", "Mapping")
    imports.add("typing", "Any")
    settings = sorted(SETTINGS.values(), key=lambda one: one.key)
    told = [one.key for one in settings if one.effect is Effect.TOLD]
    return module(
        "Settings of apps as Ant Media spells them.",
        imports,
        [
            _table("DEFAULTS", "Any", {one.key: one.default for one in settings}),
            '"""What a new app has."""',
            _table("REFUSED", "str", {one.key: one.why for one in settings if one.effect is Effect.REFUSED}),
            '"""Those of which only the default is taken, and why."""',
            f"TOLD = frozenset({told!r})",
            '"""What the server says, whatever is posted."""',
        ],
    )


def _table(name: str, kind: str, values: Mapping[str, object]) -> str:
    rows = ", ".join(f"{key!r}: {value!r}" for key, value in values.items())
    return f"{name}: Mapping[str, {kind}] = {{{rows}}}"
