"""How the command ends: with an exit code, and never with a traceback unless somebody wants one."""

from __future__ import annotations

import os
from collections.abc import Callable

from rich.console import Console

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.fitting_table import printable

INTERRUPTED = 130
"""After Ctrl-C, as of a shell."""
FAILED = 1
TRACEBACK = "RILLCAST_TRACEBACK"


def ended(run: Callable[[], object]) -> int:
    """Run the command. 0: done, 1: refused or failed, 2: it makes no sense as it was typed."""
    try:
        run()
    except CannotGoOn as error:
        return _told(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        fault = f"this is a fault of rillcast: {type(error).__name__}: {error}"
        return _told(CannotGoOn(fault, [f"set {TRACEBACK}=1 to see where"]))
    return 0


def _told(error: CannotGoOn) -> int:
    console = Console(stderr=True)
    console.print("[bold red]rillcast:[/] ", end="", highlight=False)
    for line in (error.sentence, *(f"    {line}" for line in error.details)):
        console.print(printable(line, "\n"), highlight=False, markup=False, soft_wrap=True)
    return error.code
