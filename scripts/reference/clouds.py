"""docs/reference/clouds.md: the parameters of the templates for clouds."""

from __future__ import annotations

from typing import Any

from scripts.clouds.aws import parameters as aws
from scripts.clouds.azure import parameters as azure
from scripts.reference.markdown import bullets, page, paragraph

INTRODUCTION = "How to use them stands in [docs/clouds.md](../clouds.md)."


def render() -> str:
    """The page: parameters in the order of the templates."""
    parts = [
        "## AWS",
        paragraph("`deploy/aws/rillcast.yaml`."),
        bullets(_aws(name, said) for name, said in aws.parameters().items()),
        "## Azure",
        paragraph("`deploy/azure/rillcast.json`."),
        bullets(_azure(name, said) for name, said in azure.parameters().items()),
    ]
    return page("Parameters of the templates for clouds", "`scripts/clouds`", INTRODUCTION, parts)


def _aws(name: str, said: dict[str, Any]) -> str:
    allowed = said.get("AllowedValues")
    return _entry(name, said["Description"], said.get("Default"), allowed, (said.get("MinValue"), said.get("MaxValue")))


def _azure(name: str, said: dict[str, Any]) -> str:
    ends = (said.get("minValue"), said.get("maxValue"))
    return _entry(name, said["metadata"]["description"], said.get("defaultValue"), said.get("allowedValues"), ends)


def _entry(name: str, words: str, default: object, allowed: list[Any] | None, ends: tuple[object, object]) -> str:
    notes = ["must be given" if default is None else f"default: `{default}`" if default != "" else "default: empty"]
    if allowed:
        notes.append("one of " + ", ".join(f"`{one}`" for one in allowed))
    if None not in ends:
        notes.append(f"from {ends[0]} to {ends[1]}")
    return f"`{name}` ({'; '.join(notes)}) – {words}"
