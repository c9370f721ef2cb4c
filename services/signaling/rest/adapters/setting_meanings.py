"""The meanings of the settings of apps, which stand in docstrings that a running program does not have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

WRITTEN = Path(__file__).with_name("setting_meanings.json")
"""By the fields of `AppSettings`. `make reference` writes it."""


@cache
def meanings() -> Mapping[str, str]:
    """The meaning of each field of `AppSettings`, by its name."""
    return msgspec.json.decode(WRITTEN.read_bytes(), type=dict[str, str])
