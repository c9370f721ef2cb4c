"""The words of CloudFormation that the other modules use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def ref(name: str) -> Json:
    """The value of a parameter, or the id of a resource."""
    return {"Ref": name}


def got(name: str, attribute: str) -> Json:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> Json:
    """Text with `${…}` in it."""
    return {"Fn::Sub": text}


def either(condition: str, then: Any, otherwise: Any = None) -> Json:
    """One or the other; without `otherwise`, nothing."""
    return {"Fn::If": [condition, then, ref("AWS::NoValue") if otherwise is None else otherwise]}


def zone(number: int) -> Json:
    """The first, second or third zone of the region."""
    return {"Fn::Select": [number - 1, {"Fn::GetAZs": ""}]}


def resource(kind: str, properties: Json, *, skip: Mapping[str, str] | None = None, **more: Any) -> Json:
    """A resource. `skip`: checks of checkov that do not fit here, each with the reason. `more`: its other attributes,
    such as `Condition`."""
    found: Json = {"Type": f"AWS::{kind}", **more}
    if skip:
        found["Metadata"] = {"checkov": {"skip": [{"id": one, "comment": why} for one, why in skip.items()]}}
    return {**found, "Properties": properties}


def tags(name: str) -> list[Json]:
    """How a resource is called in the console."""
    return [{"Key": "Name", "Value": sub(f"${{AWS::StackName}}-{name}")}]
