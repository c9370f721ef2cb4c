"""Tasks that run for as long as their owner lives. One that ends by itself is our bug, and is never passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from rillcast.runtime import metrics
from rillcast.runtime.errors import NodeFault
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_OURS = frozenset(("rillcast", "services"))
"""The packages whose exceptions are our bugs."""
_LOOPS = frozenset(("asyncio", "uvloop"))
"""The packages that call callbacks."""


class EndedUnexpectedly(RuntimeError):
    """A task that should have run for ever returned, or was cancelled by somebody else than its supervisor."""


class Supervisor:
    """Starts tasks and watches them. Every task ends in one of these ways:

    * `end` or `close` cancels it, which is how tasks are meant to end;
    * it is declared finite and returns;
    * anything else is a crash: it is logged, counted in ``rillcast_task_crashes_total``, and `on_crash` is called with
      its name.
    """

    def __init__(self, on_crash: Callable[[str], None] = lambda _name: None) -> None:
        """`on_crash` is called on the event loop, once for each task that crashed."""
        self._on_crash = on_crash
        self._tasks: set[asyncio.Task[None]] = set()
        self._finite: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str, *, finite: bool = False) -> asyncio.Task[None]:
        """Run `work`. It must not return, unless it is `finite`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        if finite:
            self._finite.add(task)
        task.add_done_callback(self._ended)
        return task

    def guarded(
        self, callback: Callable[[], Awaitable[None]], name: str, passed_on: tuple[type[Exception], ...]
    ) -> Callable[[], Awaitable[None]]:
        """`callback` for a library that calls it in a task of its own: what it raises is a crash, except `passed_on`,
        which the library handles."""

        async def call() -> None:
            try:
                await callback()
            except passed_on:
                raise
            except Exception as error:  # noqa: BLE001  it would end a task of the library, unheard
                self._crash(name, error)

        return call

    @contextmanager
    def callbacks_watched(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Meanwhile an exception in a callback of ours (`call_soon`, `call_later`, a done callback) is a crash, as that
        of a task. What callbacks of libraries raise is logged by asyncio, as always."""

        def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if "handle" in context and isinstance(error, Exception) and (name := _callback_of_ours(error)):
                self._crash(f"callback of {name}", error)
            else:
                loop.default_exception_handler(context)

        before = loop.get_exception_handler()
        loop.set_exception_handler(told)
        try:
            yield
        finally:
            if loop.get_exception_handler() is told:
                loop.set_exception_handler(before)

    async def end(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel these tasks and wait until they have ended."""
        self._ending.update(task for task in tasks if not task.done())
        await cancelled(*tasks)

    async def close(self) -> None:
        """End every task, also those that are started meanwhile."""
        while self._tasks:
            await self.end(*self._tasks)
            await asyncio.sleep(0)  # `_ended` takes them out

    def _ended(self, task: asyncio.Task[None]) -> None:
        may_return, told = task in self._finite, task in self._ending
        for tasks in (self._tasks, self._finite, self._ending):
            tasks.discard(task)
        name = task.get_name()
        error: BaseException | None
        if task.cancelled():
            error = None if told else EndedUnexpectedly(f"{name} was cancelled from outside")
        else:
            error = task.exception() or (None if may_return or told else EndedUnexpectedly(f"{name} returned"))
        if error is not None:
            self._crash(name, error)

    def _crash(self, name: str, error: BaseException) -> None:
        metrics.TASK_CRASHES.labels(name).inc()
        if isinstance(error, NodeFault):
            log.error("A task failed, this node ends", task=name, reason=str(error))
        else:
            log.exception("A task failed, this node ends", raised=error, task=name)
        self._on_crash(name)


def _callback_of_ours(error: Exception) -> str:
    """The module whose callback raised this; empty when it is not one of Rillcast."""
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package not in _LOOPS:
            return module if package in _OURS else ""
        trace = trace.tb_next
    return ""
