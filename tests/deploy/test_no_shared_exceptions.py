"""No exception is a constant. Whoever raises one again adds to its traceback, and the frames in that, with all that
they refer to, live as long as the constant. `functools.partial` of the exception's class makes a new one each time.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

import rillcast
import services

DEEP = 5


def shared(value: object, depth: int = DEEP) -> Iterator[BaseException]:
    """The exceptions in a constant."""
    if isinstance(value, BaseException):
        yield value
    elif depth and isinstance(value, Mapping):
        for one in value.values():
            yield from shared(one, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from shared(one, depth - 1)
    elif depth and not isinstance(value, type):
        for field in getattr(value, "__struct_fields__", ()):
            yield from shared(getattr(value, field, None), depth - 1)


def constants() -> Iterator[tuple[str, object]]:
    """Of every module, and of every class in it."""
    for top in (rillcast, services):
        for found in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            if found.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(found.name)).items():
                yield f"{found.name}.{name}", value
                if isinstance(value, type) and value.__module__ == found.name:
                    yield from ((f"{found.name}.{name}.{inner}", one) for inner, one in vars(value).items())


def test_no_exception_is_a_constant() -> None:
    everything = list(constants())
    assert len(everything) > 5_000
    assert [f"{name}: {error!r}" for name, value in everything for error in shared(value)] == []


def test_an_exception_is_found_wherever_it_lies() -> None:
    error = ValueError()
    for value in (error, [error], {"a": (error,)}, {1: {2: {error}}}):
        assert list(shared(value)) == [error]
    assert list(shared({"a": ValueError})) == []
