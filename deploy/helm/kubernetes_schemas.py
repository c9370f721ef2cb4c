"""Writes the JSON Schemas that kubeconform looks for, out of the API description of Kubernetes (swagger.json).

Usage: kubernetes_schemas.py SWAGGER FOLDER. They are strict: a field that Kubernetes does not know is a fault. Standard
library only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
STRING_OR_NUMBER = frozenset(
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity")
)
DEFINITIONS = "_definitions.json"


def strict(schema: Schema) -> Schema:
    """The same, so that it takes no other fields, and null for those that may be left out, as the API server does."""
    made = dict(schema)
    if made.pop("x-kubernetes-int-or-string", False):
        made.pop("type", None)
    if "properties" in made:
        required = made.get("required", ())
        fields = {name: strict(field) for name, field in made["properties"].items()}
        made["properties"] = {name: one if name in required else nullable(one) for name, one in fields.items()}
        made.setdefault("additionalProperties", bool(made.get("x-kubernetes-preserve-unknown-fields")))
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = strict(made[key])
    return made


def nullable(schema: Schema) -> Schema:
    """The same or null."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if "$ref" in schema else schema


def write(definitions: dict[str, Schema], folder: Path) -> int:
    """One file for each kind of object, and one with what they are made of; how many kinds there are."""
    folder.mkdir(parents=True)
    made, count = {}, 0
    for name, definition in definitions.items():
        schema: Schema = {"type": ["string", "number"]} if name in STRING_OR_NUMBER else strict(definition)
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:
            group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
            schema["properties"]["apiVersion"] = {"const": f"{group}/{version}".lstrip("/")}
            schema["properties"]["kind"] = {"const": kind}
            file = "-".join(part for part in (kind, group.split(".")[0], version) if part).lower()
            (folder / f"{file}.json").write_text(json.dumps({"$ref": f"{DEFINITIONS}#/definitions/{name}"}))
            count += 1
        made[name] = schema
    (folder / DEFINITIONS).write_text(json.dumps({"definitions": made}))
    return count


def custom(definition: Schema) -> dict[str, Schema]:
    """The schemas of the versions of a CustomResourceDefinition, by their file names."""
    spec = definition["spec"]
    return {
        f"{spec['names']['kind']}-{spec['group'].split('.')[0]}-{version['name']}.json".lower(): strict(
            version["schema"]["openAPIV3Schema"]
        )
        for version in spec["versions"]
    }


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    where = target / "master-standalone-strict"
    print(f"{write(json.loads(source.read_text())['definitions'], where)} kinds of objects in {where}")
