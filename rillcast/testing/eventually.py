"""Waiting for a condition in a test. When the wait is in vain, the failure says what was seen last."""

from __future__ import annotations

import asyncio
import inspect
import reprlib
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar, overload

Seen = TypeVar("Seen")

_EVERY_S = 0.02
_LONGEST_REPR = 2_000
_PLACES = 4


@overload
async def eventually(
    condition: Callable[[], Awaitable[Seen]],
    timeout_s: float = ...,
    what: str = ...,
    *,
    not_yet: tuple[type[Exception], ...] = ...,
    every_s: float = ...,
) -> Seen: ...


@overload
async def eventually(
    condition: Callable[[], Seen],
    timeout_s: float = ...,
    what: str = ...,
    *,
    not_yet: tuple[type[Exception], ...] = ...,
    every_s: float = ...,
) -> Seen: ...


async def eventually(
    condition: Callable[[], Awaitable[Seen] | Seen],
    timeout_s: float = 10.0,
    what: str = "the condition",
    *,
    not_yet: tuple[type[Exception], ...] = (AssertionError,),
    every_s: float = _EVERY_S,
) -> Seen:
    """Call `condition`, which may be a coroutine function, until it returns something true, and return that.

    An exception of `not_yet` counts as "not true yet", so `condition` may hold an ``assert``. Any other is raised at
    once. After `timeout_s`, raises AssertionError with `what`, the value or exception seen last, and the variables that
    `condition` looks at. A coroutine that hangs is cancelled at the deadline.
    """
    looks = 0
    last = "no look at it has ended"
    scope = asyncio.timeout(timeout_s)
    try:
        async with scope:
            while True:
                looks += 1
                try:
                    seen = await _look(condition)
                except not_yet as error:
                    last = f"it raised {type(error).__name__}: {error}"
                else:
                    if seen:
                        return seen
                    last = f"it returned {_shown(seen)}"
                await asyncio.sleep(every_s)
    except TimeoutError:
        if not scope.expired():
            raise
    reason = f"{what} did not come true within {timeout_s:g} s; at the last of {looks} looks {last}"
    raise AssertionError(reason + _surroundings(condition))


class within:
    """An ``async with`` block that must end in time: ``async with within(5, "the goodbye"): ...``. If it does not, it
    is cancelled, and AssertionError says what was waited for, at which lines, and what the variables there are. A
    TimeoutError that the block itself raises is passed on."""

    def __init__(self, timeout_s: float, what: str) -> None:
        self._timeout_s = timeout_s
        self._what = what
        self._scope = asyncio.timeout(timeout_s)

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as late:
            reason = f"{self._what} did not come within {self._timeout_s:g} s"
            raise AssertionError(reason + _standstill(trace)) from late


def _standstill(trace: TracebackType | None) -> str:
    """Where a block was cancelled, the innermost call last, and the variables of the function that has it."""
    if trace is None:
        return ""
    calls = traceback.extract_tb(trace)[-_PLACES:]
    lines = [f"\n  at {Path(call.filename).name}:{call.lineno}: {call.line}" for call in calls]
    return "".join(lines) + _listed(trace.tb_frame.f_locals)


async def _look(condition: Callable[[], Awaitable[Seen] | Seen]) -> Seen:
    seen = condition()
    return await seen if isinstance(seen, Awaitable) else seen


def _surroundings(condition: object) -> str:
    """What a lambda or inner function refers to, which is what its condition is about."""
    if not inspect.isfunction(condition):
        return ""
    return _listed(inspect.getclosurevars(condition).nonlocals)


def _listed(variables: Mapping[str, object]) -> str:
    values = {name: value for name, value in variables.items() if not inspect.isroutine(value)}
    return "".join(f"\n  {name} = {_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = shown.maxlong = _LONGEST_REPR
    shown.maxlist = shown.maxtuple = shown.maxset = shown.maxdict = 20
    return shown.repr(value)
