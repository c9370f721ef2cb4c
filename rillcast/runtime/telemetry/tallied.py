"""A histogram for what is observed for each viewer in each second, or counted elsewhere and taken over in sums.

One of the library takes a lock for each observation and for each sum, which costs some microseconds. This one adds to
plain numbers: all observations come from one thread, mostly the event loop, and whoever is scraping only reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.metrics import Histogram
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString


class TalliedHistogram(Histogram):
    """As `prometheus_client.Histogram`, without exemplars."""

    def _metric_init(self) -> None:
        self._tallies = [0] * len(self._upper_bounds)
        self._total = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count one. `exemplar` is left out."""
        self._tallies[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount

    def add(self, tallies: Sequence[int], total: float) -> None:
        """Count many: how many lie in each bucket, and not in a lower one, and their sum."""
        for place, tally in enumerate(tallies):
            self._tallies[place] += tally
        self._total += total

    def _child_samples(self) -> Iterable[Sample]:
        below = 0
        samples = []
        for bound, tally in zip(self._upper_bounds, self._tallies, strict=True):
            below += tally
            at_most = floatToGoString(bound)  # type: ignore[no-untyped-call]
            samples.append(Sample("_bucket", {"le": at_most}, below, None, None))
        return (*samples, Sample("_count", {}, below, None, None), Sample("_sum", {}, self._total, None, None))
