"""Shapes of calls about meanings of settings.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Effect = Literal["acts", "refused", "stored", "told"]
"""What becomes of a value that is posted."""

Kind = Literal["a list", "a number", "a whole number", "an object", "text", "true or false"]
"""The type of a value in JSON."""


class SettingWords(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of an app, in words."""

    key: str
    kind: Kind
    default: Any
    effect: Effect
    meaning: str
    secret: bool
    nullable: bool
    ours: bool
