"""Which version of Rillcast is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def product_version() -> str:
    """The version of the installed package; ``0`` when Rillcast runs from a source tree that was never installed."""
    try:
        return version("rillcast")
    except PackageNotFoundError:
        return "0"
