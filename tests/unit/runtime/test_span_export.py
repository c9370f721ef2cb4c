"""Spans on their way to a collector: whatever it does, nothing grows, and what is lost is counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from rillcast.contracts.messages import FinishedSpan
from rillcast.contracts.messages.traces import SpanRole
from rillcast.runtime.telemetry import export
from rillcast.runtime.telemetry.export import BATCH, MOST_WAITING, SpanExport, as_sdk

SPAN = FinishedSpan(
    trace="1" * 32,
    span="2" * 16,
    parent="3" * 16,
    name="request edge.play",
    role=SpanRole.CLIENT,
    began_ns=5,
    took_ns=7,
    error="timeout",
    attributes={"rillcast.stream": "s1"},
    link=f"{'4' * 32}-{'5' * 16}",
)
LONG_S = 30.0


class Collector(SpanExporter):
    """Takes spans as soon as it may, and answers as it is told."""

    def __init__(self, result: SpanExportResult | None = SpanExportResult.SUCCESS) -> None:
        self.may = threading.Event()
        self.asked = threading.Event()
        self.got = 0
        self._result = result

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        assert self.may.wait(LONG_S)
        self.got += len(spans)
        if self._result is None:
            raise OSError("no way to the collector")
        return self._result


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("rillcast_trace_spans_dropped_total", {"reason": reason}) or 0.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EVERY_S", 0.01)


def test_a_span_of_the_sdk_says_the_same() -> None:
    sdk = as_sdk(SPAN, Resource.get_empty())
    assert sdk.context is not None
    assert sdk.parent is not None
    assert (sdk.name, sdk.kind, sdk.start_time, sdk.end_time) == ("request edge.play", SpanKind.CLIENT, 5, 12)
    assert (sdk.context.trace_id, sdk.parent.span_id) == (int("1" * 32, 16), int("3" * 16, 16))
    assert dict(sdk.attributes or {}) == {"rillcast.stream": "s1", "error.type": "timeout"}
    assert (sdk.status.status_code, sdk.status.description) == (StatusCode.ERROR, "timeout")
    assert sdk.links[0].context.span_id == int("5" * 16, 16)


def test_a_collector_that_stalls_holds_a_bounded_number_of_spans_and_the_rest_is_counted() -> None:
    collector = Collector()
    sending, before = SpanExport(collector, Resource.get_empty()), dropped("full")
    sending.put(SPAN)
    assert collector.asked.wait(LONG_S)
    for _ in range(MOST_WAITING + 500):
        sending.put(SPAN)
    assert len(sending) == MOST_WAITING
    assert dropped("full") - before == 500
    unsent = dropped("unsent")
    sending.flush(0.01)
    assert dropped("unsent") - unsent == MOST_WAITING, "who ends does not wait for it"
    collector.may.set()
    sending.flush(LONG_S)
    assert collector.got == 1 + MOST_WAITING


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, None])
def test_what_the_collector_does_not_take_is_counted_and_sending_goes_on(result: SpanExportResult | None) -> None:
    collector = Collector(result)
    collector.may.set()
    sending, before = SpanExport(collector, Resource.get_empty()), dropped("not_taken")
    for _ in range(BATCH + 1):
        sending.put(SPAN)
    sending.flush(LONG_S)
    sending.put(SPAN)
    sending.flush(LONG_S)
    assert dropped("not_taken") - before == BATCH + 2 == collector.got
