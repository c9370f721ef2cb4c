"""A service under a profiler, which counts the calls of its event loop's thread from SIGUSR1 to SIGUSR2.

    python tests/bench/profiled_service.py FILE MODULE

Run by its file, in the folder of the code. With SIGUSR2 the figures are in the file, as `pstats` reads them.
"""

from __future__ import annotations

import cProfile
import os
import runpy
import signal
import sys
from types import FrameType


def main() -> None:
    file, module, *rest = sys.argv[1:]
    profiler = cProfile.Profile()

    def begin(number: int, frame: FrameType | None) -> None:
        profiler.clear()
        profiler.enable()

    def end(number: int, frame: FrameType | None) -> None:
        profiler.disable()
        profiler.dump_stats(f"{file}.new")
        os.replace(f"{file}.new", file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.path.insert(0, os.getcwd())
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
