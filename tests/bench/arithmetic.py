"""What is done to the figures: medians, ratios within a round, slopes, and how far a climb goes."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

ENOUGH_QUIET = 2
"""Quiet rounds from which on the disturbed ones are left out."""


def settled(values: Sequence[T], quiet: Sequence[bool]) -> list[T]:
    """The values of quiet rounds, or all of them if too few were quiet."""
    good = [value for value, calm in zip(values, quiet, strict=True) if calm]
    return good if len(good) >= ENOUGH_QUIET else list(values)


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios taken round by round: what slows a whole round down cancels out."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def ratio_quartiles(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile of the ratios taken round by round. Needs two rounds."""
    low, middle, high = statistics.quantiles((a / b for a, b in zip(above, below, strict=True)), method="inclusive")
    return low, middle, high


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line through `points` by least squares; ValueError with fewer than two different x."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if len(set(xs)) < 2:
        raise ValueError("a slope needs two points")
    return statistics.linear_regression(xs, ys).slope


def flatness(costs: Sequence[float]) -> float:
    """Largest over smallest: 1 is flat."""
    return max(costs) / min(costs)


def area(samples: Sequence[tuple[float, float]]) -> float:
    """Integral over time of a quantity given at (time, value), by trapezia."""
    return sum((t1 - t0) * (v0 + v1) / 2 for (t0, v0), (t1, v1) in itertools.pairwise(samples))


async def climb(
    steps: Sequence[int], attempt: Callable[[int], Awaitable[T]], good: Callable[[T], bool]
) -> tuple[list[T], int]:
    """Tries each step, a failed one twice, until one fails both times. All attempts, and the highest good step or 0."""
    attempts: list[T] = []
    best = 0
    for step in steps:
        for _ in range(2):
            attempts.append(await attempt(step))
            if good(attempts[-1]):
                best = step
                break
        else:
            break
    return attempts, best
