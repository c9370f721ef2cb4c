"""docs/reference/helm.md: every value of the Helm chart, from the comments in its values.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator

from scripts.reference.found import kinds
from scripts.reference.helm_values import ALL_KINDS, Value, checked, type_of
from scripts.reference.markdown import page, paragraph, prose

INTRODUCTION = """
[kubernetes.md](../kubernetes.md) tells how to use the chart in `deploy/helm/rillcast`.

A value that is misspelled or of another type is refused, and so are values that contradict each other: `helm template`
ends with a sentence for each of them.

The five kinds of node have all values of [node](#node). A value that stands in the section of a kind wins there. Below,
the sections of kinds show what they have besides, and the defaults that are others.
"""
WORDS = {
    "string": "Text",
    "integer": "Whole number",
    "number": "Number",
    "boolean": "`true` or `false`",
    "array": "List",
    "object": "Map",
}


def render() -> str:
    """The page. Raises `Undocumented` for values without a comment."""
    values = checked()
    parts = ["## At the top"]
    single = [value for value in values.values() if not value.below]
    for value in single:
        parts += _entry(value)
    for value in values.values():
        if value.below:
            parts.append(f"## {value.path}")
            parts += [prose(value.description)] if value.description else []
            for below in value.below.values():
                parts += _entries(below)
    return page("Values of the Helm chart", "the comments in `deploy/helm/rillcast/values.yaml`", INTRODUCTION, parts)


def _entries(value: Value) -> Iterator[str]:
    if value.below and not value.description and value.path.partition(".")[0] in {*kinds(), ALL_KINDS}:
        for below in value.below.values():
            yield from _entries(below)
        return
    yield from _entry(value)
    for below in value.below.values():
        yield from _entries(below)


def _entry(value: Value) -> Iterator[str]:
    yield f"### {value.path}"
    if value.description:
        yield prose(value.description)
    if not value.below:
        yield paragraph(f"{_form(value)}. Default: {_default(value)}.")


def _form(value: Value) -> str:
    rules = value.rules
    if "enum" in rules:
        return "One of " + ", ".join(f"`{choice}`" for choice in rules["enum"])
    words = WORDS[type_of(value)]
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None and high is not None:
        return f"{words}, from {low} to {high}"
    if low is not None:
        return f"{words}, at least {low}"
    return words


def _default(value: Value) -> str:
    if value.default in ("", [], {}):
        return "empty"
    return f"`{value.default if isinstance(value.default, str) else json.dumps(value.default)}`"
