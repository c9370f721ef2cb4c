"""A service without its telemetry: no metric counts, no span is made, and nothing below an error is logged.

    python tests/bench/muted_service.py MODULE

Run by its file, in the folder of the code. What it is for: `tests.bench.telemetry`.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

from prometheus_client import Counter, Gauge, Histogram


def main() -> None:
    sys.path.insert(0, os.getcwd())
    from rillcast.runtime.telemetry.tallied import TalliedHistogram

    def nothing(*arguments: Any, **named: Any) -> None: ...

    def itself(instrument: Any, *arguments: Any, **named: Any) -> Any:
        return instrument

    for instrument, ways in (
        (Counter, ("inc",)),
        (Gauge, ("inc", "dec", "set")),
        (Histogram, ("observe",)),
        (TalliedHistogram, ("observe", "add")),
    ):
        for way in ways:
            setattr(instrument, way, nothing)
        setattr(instrument, "labels", itself)  # noqa: B010 - it is not the method's type
    _, module, *rest = sys.argv
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
