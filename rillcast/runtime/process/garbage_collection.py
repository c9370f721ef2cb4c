"""Garbage collection in portions.

A full collection of CPython walks everything that lives, and nothing else runs meanwhile: at an edge with 5 000 viewers
it holds the event loop for some 100 ms, every time that a quarter more objects live. Nearly all of them are freed by
their reference counts. So what has survived a full collection is frozen (`gc.freeze`): the next one walks only what is
new. What became cyclic garbage among the frozen is found by a whole collection, which comes seldom.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Literal

from rillcast.runtime import metrics

THRESHOLDS = (350, 4, 1)
"""New objects until the youngest are collected, collections of those until the next generation is, and of these until
a full one: so some 3 500 new objects. See `gc.set_threshold`."""
WHOLE_S = 3600.0
"""So seldom the frozen objects are walked too, in seconds."""
_FULL = 2


class Portions:
    """A callback of the garbage collector (`gc.callbacks`) that keeps full collections small."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole_at = clock()
        self._began = 0.0

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        """A collection of the generation ``info["generation"]`` starts, or has stopped."""
        if info["generation"] != _FULL:
            return
        if phase == "start":
            self._begin()
        else:
            metrics.GARBAGE_COLLECTION_SECONDS.observe(time.perf_counter() - self._began)
            gc.freeze()

    def _begin(self) -> None:
        self._began = time.perf_counter()
        now = self._clock()
        if now - self._whole_at >= WHOLE_S:
            self._whole_at = now
            gc.unfreeze()


def collect_in_portions() -> None:
    """Change how this process collects garbage, for good. Called once, when everything is imported."""
    gc.callbacks.append(Portions())
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
