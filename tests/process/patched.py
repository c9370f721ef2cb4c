"""Services in which a constant of the product has another value, so that a test need not be quicker than it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def patch_services(patch: pytest.MonkeyPatch, folder: Path, constants: Mapping[str, object]) -> None:
    """In Python processes that this one starts from now on, these constants have these values. Each is named with its
    module. `folder` holds what they run at their start."""
    folder.mkdir()
    lines = ["import importlib"]
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        lines.append(f"importlib.import_module({module!r}).{constant} = {value!r}")
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    patch.setenv("PYTHONPATH", f"{folder}:{_ROOT}", prepend=":")
