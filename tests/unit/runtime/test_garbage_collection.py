"""Full garbage collections walk what is new, and seldom everything."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from rillcast.runtime.process.garbage_collection import THRESHOLDS, WHOLE_S, Portions, collect_in_portions
from rillcast.testing.clock import FakeClock


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Garbage is collected in this process as before."""
    callbacks, thresholds = list(gc.callbacks), gc.get_threshold()
    gc.disable()
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.enable()


def full_collection(portions: Portions) -> None:
    gc.callbacks.append(portions)
    gc.collect()
    gc.callbacks.remove(portions)


def test_what_survived_a_full_collection_is_not_walked_again() -> None:
    portions, knot = Portions(FakeClock()), Knot()
    gone = weakref.ref(knot)
    full_collection(portions)
    frozen = gc.get_freeze_count()
    del knot

    full_collection(portions)

    assert frozen > 0
    assert gone() is not None


def test_new_cyclic_garbage_is_freed() -> None:
    portions = Portions(FakeClock())
    full_collection(portions)
    knot = Knot()
    gone = weakref.ref(knot)
    del knot

    full_collection(portions)

    assert gone() is None


def test_cyclic_garbage_among_the_frozen_is_freed_by_the_next_whole_collection() -> None:
    clock = FakeClock()
    portions, knot = Portions(clock), Knot()
    gone = weakref.ref(knot)
    full_collection(portions)
    del knot

    clock.advance(WHOLE_S - 1)
    full_collection(portions)
    assert gone() is not None
    clock.advance(1)
    full_collection(portions)
    assert gone() is None
    assert gc.get_freeze_count() > 0


def test_a_younger_generation_freezes_nothing() -> None:
    gc.unfreeze()
    gc.callbacks.append(Portions(FakeClock()))

    gc.collect(1)

    assert gc.get_freeze_count() == 0


def test_a_process_is_told_once() -> None:
    collect_in_portions()

    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 0
    assert sum(isinstance(callback, Portions) for callback in gc.callbacks) == 1
