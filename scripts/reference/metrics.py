"""docs/reference/metrics.md: every instrument, as it is declared in the modules called `metrics`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from rillcast.runtime.telemetry.diagnostic import DIAGNOSTIC
from rillcast.runtime.telemetry.tallied import TalliedHistogram
from scripts.reference import messages
from scripts.reference.faults import Undocumented
from scripts.reference.found import modules_called, who_runs
from scripts.reference.markdown import page, paragraph, prose

INTRODUCTION = """
Every node serves its metrics at `/metrics` of its admin listener: in OpenMetrics, with the traces of single figures as
exemplars, to whom asks for it by `Accept`, as Prometheus does, and else in Prometheus' text format. Counters count from
the start of the process. A label has a value from a closed set, except where the text says otherwise. Metrics that are
marked as those for whoever looks for a fault are shown on no dashboard.

A histogram is exported as three series: `_bucket` (with the label `le`), `_sum` and `_count`.
"""
FORMS = {Counter: "Counter", Gauge: "Gauge", Histogram: "Histogram", TalliedHistogram: "Histogram"}
CODES = re.compile(r"or (?:the refusal's|a) code\b")
"""How a help text says that a label also has the codes of refusals as its values."""
ENUM = re.compile(r"`(\w+)`")
"""How a help text names the enum of `rillcast.contracts` that has the values of its label."""
OPEN_LABELS = {
    "bucket": "the name of the bucket",
    "command": "the name of the command",
    "encoder": "FFmpeg's name of the encoder",
    "kind": "the kind of node",
    "method": "the method of HTTP",
    "node": "the node id",
    "reason": "a word of the media plane",
    "status": "the status of HTTP",
    "subject": "the subject without ids",
    "task": "the name of the task",
    "version": "the version of Rillcast",
    "worker": "the number of the media thread",
}
"""Labels whose values no help text needs to list."""
WORD = r"(?!or\b)[a-z0-9_]+(?: \([^)]*\))?"


def render() -> str:
    """The page. Raises `Undocumented` for instruments without a help text."""
    faults = [
        f"{module.__name__}: {fault}"
        for module in modules_called("metrics")
        for instrument in instruments(module)
        for fault in faults_of(instrument)
    ]
    if faults:
        raise Undocumented(faults)
    parts = [part for module in modules_called("metrics") for part in _section(module)]
    return page("Metrics", "the modules called `metrics.py`", INTRODUCTION, parts)


def instruments(module: ModuleType) -> list[MetricWrapperBase]:
    """The instruments that a module declares, in the order of their declaration."""
    return [value for value in vars(module).values() if isinstance(value, MetricWrapperBase)]


def faults_of(instrument: MetricWrapperBase) -> list[str]:
    """What the help text leaves out: everything, or the values of a label."""
    name, text, labels = exposed_name(instrument), instrument._documentation, instrument._labelnames
    if not text.strip():
        return [f"{name} has no help text"]
    return [
        f"{name}: the help text must list the values of the label: `{label}: one, another`, or name an enum (`Enum`)"
        for label in labels
        if not _values(text, label, len(labels) == 1)
    ]


def exposed_name(instrument: MetricWrapperBase) -> str:
    """The name in Prometheus; for histograms without the suffixes."""
    return str(instrument._name) + ("_total" if isinstance(instrument, Counter) else "")


def label_values(text: str, label: str, only_label: bool) -> list[str]:
    """The values of a label that a help text lists: after "label: " or in "label (…)"; after any colon if there is
    only one label. Empty when the text lists none."""
    patterns = [rf"\b{label}s?: ({WORD}(?:, {WORD})*)", rf"\b{label} \(({WORD}(?:, {WORD})+)\)"]
    if only_label:
        patterns.append(rf": ({WORD}(?:, {WORD})+)(?:[.;]|$)")
    for pattern in patterns:
        if (found := re.search(pattern, text)) is not None:
            return [re.sub(r" \(.*", "", word) for word in re.split(r", (?![^(]*\))", found[1])]
    return []


def _section(module: ModuleType) -> Iterator[str]:
    found = instruments(module)
    if not found:
        return
    owner = who_runs(module.__name__)
    yield f"## {owner.capitalize()}"
    for instrument in found:
        yield f"### {exposed_name(instrument)}"
        yield prose(instrument._documentation.rstrip(".") + ".")
        used = " For whoever looks for a fault." if exposed_name(instrument) in DIAGNOSTIC else ""
        yield paragraph(f"{FORMS[type(instrument)]}{_labels(instrument)}.{used}")


def _labels(instrument: MetricWrapperBase) -> str:
    names = instrument._labelnames
    words = [f"`{name}`{_values(instrument._documentation, name, len(names) == 1)}" for name in names]
    return (
        f" by {', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(f" by {word}" for word in words)
    )


def _values(text: str, label: str, only_label: bool) -> str:
    values = [f"`{value}`" for value in label_values(text, label, only_label)]
    if CODES.search(text) and (only_label or label == "outcome"):
        values.append("a code of [errors](errors.md)")
    if not values and (enum := ENUM.search(text)) is not None and enum[1] in messages.targets():
        values.append(f"a value of [{enum[1]}]({messages.targets()[enum[1]]})")
    if not values and label in OPEN_LABELS:
        values.append(OPEN_LABELS[label])
    return f" ({', '.join(values)})" if values else ""
