"""docs/reference/metrics.md: every instrument, as it is declared in the modules called `metrics`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from scripts.reference.faults import Undocumented
from scripts.reference.found import modules_called, who_runs
from scripts.reference.markdown import page, paragraph, prose

INTRODUCTION = """
Every node serves its metrics in Prometheus' text format at `/metrics` of its admin listener. Counters count from the
start of the process. A label has a value from a closed set, except where the text says otherwise.

A histogram is exported as three series: `_bucket` (with the label `le`), `_sum` and `_count`.
"""
FORMS = {Counter: "Counter", Gauge: "Gauge", Histogram: "Histogram"}
CODES = re.compile(r"or (?:the refusal's|a) code\b")
"""How a help text says that a label also has the codes of refusals as its values."""
WORD = r"[a-z0-9_]+(?: \([^)]*\))?"


def render() -> str:
    """The page. Raises `Undocumented` for instruments without a help text."""
    faults = [
        f"{module.__name__}: {exposed_name(instrument)} has no help text"
        for module in modules_called("metrics")
        for instrument in instruments(module)
        if not instrument._documentation.strip()
    ]
    if faults:
        raise Undocumented(faults)
    parts = [part for module in modules_called("metrics") for part in _section(module)]
    return page("Metrics", "the modules called `metrics.py`", INTRODUCTION, parts)


def instruments(module: ModuleType) -> list[MetricWrapperBase]:
    """The instruments that a module declares, in the order of their declaration."""
    return [value for value in vars(module).values() if isinstance(value, MetricWrapperBase)]


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
        yield paragraph(f"{FORMS[type(instrument)]}{_labels(instrument)}.")


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
    return f" ({', '.join(values)})" if values else ""
