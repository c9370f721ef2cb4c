"""One child process in its own process group, which cannot outlive `rillcast up`."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.plan import ProcessSpec

MOST_LOG_BYTES = 16 * 1024 * 1024
"""Of one file; there are two of each process."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """Runs in the child before exec: the kernel kills it when the parent is gone, however that ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """A process from `start` to its end. Its output goes to `<logs>/<name>.log`, the one before to `….log.1`."""

    def __init__(self, spec: ProcessSpec, logs: Path, cwd: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self._cwd = cwd
        self._process: asyncio.subprocess.Process | None = None

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return None if self._process is None else self._process.returncode

    async def start(self, *, append: bool = False) -> None:
        """Raises CannotGoOn when the program is not there, or its log can't be written."""
        parent = os.getpid()
        with self._new_log(append=append) as sink:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.spec.argv,
                    cwd=self._cwd,
                    env={**os.environ, **self.spec.env},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,
                    preexec_fn=lambda: _die_with(parent),
                )
            except OSError as error:
                raise CannotGoOn(f"cannot start {self.spec.name}: {self.spec.argv[0]}: {error.strerror}") from error

    def _new_log(self, *, append: bool) -> BinaryIO:
        with writing(self.log):
            if not append and self.log.exists():
                self.log.replace(self.log.with_suffix(".log.1"))
            return self.log.open("ab")

    def trim_log(self) -> None:
        """Move a log that has grown too long to `….log.1`. The process goes on writing to the same file, which is empty
        then; a line that is written at this very moment may be lost. Raises OSError."""
        if self.log.stat().st_size > MOST_LOG_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    async def ended(self) -> int:
        """Waits for the end; the exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then after `grace_s` SIGKILL, to the whole group; returns when nothing of it is left."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        self.sweep()
        await self._process.wait()

    def reload(self) -> None:
        """Tell the process itself to read its configuration and its certificate again."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    def sweep(self) -> None:
        """Kills whatever is left of its group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To the group: also what the process itself started."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def last_lines(self, count: int = 15) -> list[str]:
        """The last `count` lines of its log; none before its first start."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16_384))
            return file.read().decode(errors="replace").splitlines()[-count:]
