"""`ports.Pictures` by a process of its own (`picture_process`), which is there while pictures are made."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from rillcast.contracts.messages.previews import NoPreview
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.domain import picture_words as words
from services.transcoder.domain.picture_words import Made

log = get_logger(__name__)

START_S = 20.0
"""Libraries have to be loaded, on a busy machine maybe from a slow disk."""
PICTURE_S = 2.0
"""A keyframe of 8K takes 0.3 s."""
IDLE_S = 30.0
"""When nobody has asked for so long, the process ends."""
END_S = 5.0
_MODULE = "services.transcoder.adapters.picture_process"
_HANDED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "LD_LIBRARY_PATH", "TMPDIR")
"""What of the environment it needs to start. The rest holds secrets."""


class ProcessPictures:
    """One per transcoder. A picture is made at a time; who comes meanwhile waits for its turn."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", _MODULE), *, idle_s: float = IDLE_S) -> None:
        self._command = command
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def process(self) -> int | None:
        """The id of the process; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def make(self, codec: str, keyframe: bytes) -> Made:
        """See `Pictures.make`. Whatever happens to the process, the next one is asked of a new one."""
        async with self._turn:
            self._stay()
            process = None
            try:
                process = await self._ready()
                made = await self._asked(process, words.question(codec, keyframe))
            except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError) as error:
                metrics.PICTURE_PROCESSES_LOST.inc()
                log.warning("A picture of a stream could not be made", codec=codec, reason=type(error).__name__)
                await self._end()
                return Made(why=NoPreview.FAILED)
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for that to the next question
                raise
            self._rest()
            return made

    async def close(self) -> None:
        """End the process, and begin no other."""
        self._closed = True
        self._stay()
        async with self._turn:
            await self._end()

    async def _ready(self) -> Process:
        if self._closed:
            raise OSError("this node ends")
        if self._process is not None and self._process.returncode is None:
            return self._process
        environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            if await process.stdout.readexactly(len(words.READY)) != words.READY:
                raise ValueError("it says something else")
        return process

    async def _asked(self, process: Process, question: bytes) -> Made:
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(PICTURE_S):
            process.stdin.write(question)
            await process.stdin.drain()
            made, size = words.told(await process.stdout.readexactly(words.ANSWER.size))
            picture = await process.stdout.readexactly(size)
        return Made(picture, made.width, made.height, made.why)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            log.error("A process that makes pictures does not end", pid=process.pid)

    def _rest(self) -> None:
        self._resting = asyncio.get_running_loop().call_later(self._idle_s, self._gone)

    def _stay(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _gone(self) -> None:
        """Nobody has asked for long. It is killed, since one that is stopped would not see that its input ends."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
