"""Questions to whoever types."""

from __future__ import annotations

import sys

import typer

from rillcast.cli.faults import CannotGoOn, WrongUse


def agreed(what: str, *, yes: bool) -> None:
    """Go on if it was said already, or is said now. Raises CannotGoOn, and WrongUse where nobody can answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"this would {what}; if that is meant, give --yes")
    if not typer.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        raise CannotGoOn("nothing was done")
