"""A histogram that costs little tells what one of the library would."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from rillcast.runtime.telemetry.tallied import TalliedHistogram

BUCKETS = (0.0, 0.1, 1.0)
VALUES = (0.0, 0.05, 0.1, 0.100001, 1.0, 5.0, 0.0)


disable_created_metrics()  # type: ignore[no-untyped-call]


def told(cls: type[Histogram], values: tuple[float, ...], labels: tuple[str, ...] = ()) -> bytes:
    registry = CollectorRegistry()
    histogram = cls("some_seconds", "Help", ("level",) if labels else (), registry=registry, buckets=BUCKETS)
    for value in values:
        (histogram.labels(*labels) if labels else histogram).observe(value)
    return generate_latest(registry)


@pytest.mark.parametrize("labels", [(), ("1",)])
def test_it_tells_the_same_as_one_of_the_library(labels: tuple[str, ...]) -> None:
    assert told(TalliedHistogram, VALUES, labels) == told(Histogram, VALUES, labels)


def test_what_was_counted_elsewhere_is_added() -> None:
    registry = CollectorRegistry()
    histogram = TalliedHistogram("some_seconds", "Help", registry=registry, buckets=BUCKETS)
    histogram.observe(0.5)
    histogram.add([1, 0, 2, 1], 7.0)
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    told = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert told["some_seconds_bucket", "1.0"] == 4
    assert (told["some_seconds_count", None], told["some_seconds_sum", None]) == (5, 7.5)
