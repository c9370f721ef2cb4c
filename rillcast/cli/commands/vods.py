"""`rillcast vods`: says that there are none."""

from __future__ import annotations

from typing import NoReturn

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.groups import group

NONE = "there is no VoD: this version of Rillcast records nothing and keeps no files"
app = group("Videos on demand, which this version does not have.")


@app.command("list")
def list_vods() -> NoReturn:
    """Says that there are none. Exit code 1."""
    raise CannotGoOn(NONE)
