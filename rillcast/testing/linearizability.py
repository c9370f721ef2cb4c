"""Whether what clients of one register saw can be explained by a single order of their operations, in which each one
happens at one moment between its call and its answer (Herlihy and Wing 1990). The search is that of Wing and Gong
(1993), which remembers where it has been (Lowe 2017).

The register holds a text and knows two operations: to read it, and to set it if it still holds what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one client did. Times are seconds of one clock, which all clients share."""

    called: float
    answered: float = math.inf
    """Infinite when no answer came: it may have happened at any time after the call, or never."""


class Read(Operation, frozen=True, kw_only=True):
    """A client read the register. One that was not answered says nothing and belongs in no history."""

    saw: str | None
    """None: it was empty."""


class CompareAndSet(Operation, frozen=True, kw_only=True):
    """A client wanted to set the register."""

    expected: str | None
    value: str
    done: bool = True
    """Whether the answer said that it was set. Not looked at without an answer."""


def is_linearizable(history: Sequence[Operation], initial: str | None = None) -> bool:
    """Whether there is such an order. Quick as long as few operations without an answer expect the same value."""
    operations = sorted(history, key=lambda operation: operation.called)
    required = sum(1 << number for number, operation in enumerate(operations) if math.isfinite(operation.answered))
    been: set[tuple[int, str | None]] = set()
    ways = [(0, initial)]
    while ways:
        done, value = _without_writes(operations, *ways.pop())
        if done & required == required:
            return True
        if (done, value) in been:
            continue
        been.add((done, value))
        for number in _next(operations, done):
            operation = operations[number]
            if isinstance(operation, CompareAndSet) and _sets(operation) and operation.expected == value:
                ways.append((done | 1 << number, operation.value))
    return False


def _without_writes(operations: Sequence[Operation], done: int, value: str | None) -> tuple[int, str | None]:
    """All that may come next and changes nothing: it can as well come now."""
    while True:
        before = done
        for number in _next(operations, done):
            if _changes_nothing(operations[number], value):
                done |= 1 << number
        if done == before:
            return done, value


def _changes_nothing(operation: Operation, value: str | None) -> bool:
    if isinstance(operation, Read):
        return operation.saw == value
    return isinstance(operation, CompareAndSet) and not _sets(operation) and operation.expected != value


def _sets(operation: CompareAndSet) -> bool:
    return operation.done or math.isinf(operation.answered)


def _next(operations: Sequence[Operation], done: int) -> Iterator[int]:
    """Those that nothing has to come before: they were called before any other that is left was answered."""
    horizon = math.inf
    left: list[int] = []
    for number, operation in enumerate(operations):
        if operation.called > horizon:
            break
        if not done >> number & 1:
            left.append(number)
            horizon = min(horizon, operation.answered)
    return (number for number in left if operations[number].called <= horizon)
