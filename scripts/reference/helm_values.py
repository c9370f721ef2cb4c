"""The values of the Helm chart, read from its values.yaml: what each may be, what it means, what it is by default.

The comment above a key is its description. Lines of it that begin with ``@`` say what may be given:

    # @schema {"minimum": 1}     more of its JSON Schema; what is not said is taken from the default
    # @type probe                a part of a pod, see `PARTS`
    # @settings edge             settings of this kind of node; `kind`: of that of the section; `shared`: of all
    # @secretSettings edge       likewise, of those that are secrets
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from rillcast.runtime.settings import MediaSettings, NodeSettings
from scripts.reference.faults import Undocumented
from scripts.reference.found import ROOT, kinds
from scripts.reference.settings import services

CHART = "deploy/helm/rillcast"
ALL_KINDS = "node"
"""The section whose values every kind of node has."""
_CHART_SETS = frozenset(
    {
        *("node_id", "region", "zone", "drain_timeout_s", "discovery", "kv_replicas", "file"),
        *("nats_url", "nats_nkey", "nats_ca", "nats_server_name", "consul_url", "consul_token", "consul_ca"),
        *("admin_host", "admin_port", "advertise_address", "advertise_media_addresses"),
        *("media_port", "relay_port", "relay_bind", "host", "port", "tls_port", "public_tls_port"),
        *("tls_certificate", "tls_key", "apps_file", "allowed_hosts"),
        *("admin_password", "first_password_path", "local_token_path"),
    }
)
"""Fields of settings that other values of the chart are for."""
_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
Schema = dict[str, Any]
_AMOUNTS = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
PARTS: dict[str, Schema] = {
    "resources": {"additionalProperties": False, "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS}},
    "probe": {
        "additionalProperties": False,
        "properties": {
            name: {"type": "integer", "minimum": 1} for name in ("periodSeconds", "timeoutSeconds", "failureThreshold")
        },
    },
}
"""Parts of pods that are given as they are in Kubernetes."""


@dataclass
class Value:
    """One key of values.yaml, with those below it."""

    path: str
    description: str
    default: Any
    rules: Schema
    """From its ``@`` lines."""
    settings: str = ""
    secret_settings: str = ""
    below: dict[str, Value] = field(default_factory=dict)
    """Empty for a value that is given as a whole."""

    def every(self) -> Iterator[Value]:
        """This value and all below it, as they are written."""
        yield self
        for value in self.below.values():
            yield from value.every()


def read() -> dict[str, Value]:
    """The values at the top of the file. Raises `Undocumented` for values without a comment."""
    text = (ROOT / CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    values = _mapping(root, text.splitlines(), "")
    for kind in kinds():
        _as_in(values[ALL_KINDS], values[kind])
    return values


def _as_in(base: Value, own: Value) -> None:
    """A value in the section of a kind that repeats one of `node`, to give it another default, is like that one."""
    for name, value in own.below.items():
        if (same := base.below.get(name)) is not None:
            value.rules = same.rules | value.rules
            value.settings = value.settings or same.settings
            value.secret_settings = value.secret_settings or same.secret_settings
            if not same.below:
                value.below = {}
                value.description = value.description or same.description
            _as_in(same, value)


def undocumented(values: dict[str, Value]) -> list[str]:
    """Values that say nothing about themselves, unless they have others below."""
    return [
        f"{CHART}/values.yaml: {value.path} has no comment"
        for top in values.values()
        for value in top.every()
        if not value.description and not value.below
    ]


def checked() -> dict[str, Value]:
    """What `read` returns. Raises `Undocumented`."""
    values = read()
    if faults := undocumented(values):
        raise Undocumented(faults)
    return values


def settings_of(kind: str) -> dict[str, FieldInfo]:
    """The fields of a kind of node that are no secrets, and that no other value of the chart is for; `shared` for those
    that several kinds have."""
    return {name: info for name, info in _fields(kind) if "Secret" not in str(info.annotation)}


def secret_settings_of(kind: str) -> dict[str, FieldInfo]:
    """Likewise, those that are secrets."""
    return {name: info for name, info in _fields(kind) if "Secret" in str(info.annotation)}


def _fields(kind: str) -> Iterator[tuple[str, FieldInfo]]:
    cls: type[NodeSettings] = MediaSettings if kind == "shared" else services()[kind]
    for name, info in cls.model_fields.items():
        if name not in _CHART_SETS:
            yield name.upper(), info


def _mapping(node: yaml.MappingNode, lines: list[str], above: str) -> dict[str, Value]:
    found = {}
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        found[key.value] = _value(path, value, _comment(lines, key.start_mark.line, key.start_mark.column), lines)
    return found


def _value(path: str, node: yaml.Node, comment: list[str], lines: list[str]) -> Value:
    rules: Schema = {}
    named = {"@settings": "", "@secretSettings": ""}
    words = []
    for line in comment:
        word, _, rest = line.partition(" ")
        if word == "@schema":
            rules |= json.loads(rest)
        elif word == "@type":
            rules |= PARTS[rest.strip()]
        elif word in named:
            named[word] = rest.strip()
        else:
            words.append(line)
    default = yaml.SafeLoader("").construct_document(node) if not isinstance(node, yaml.MappingNode) else _plain(node)
    value = Value(path, " ".join(words), default, rules, named["@settings"], named["@secretSettings"])
    if isinstance(node, yaml.MappingNode) and not _as_a_whole(value):
        value.below = _mapping(node, lines, path)
    return value


def _plain(node: yaml.MappingNode) -> Any:
    return yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))


def _as_a_whole(value: Value) -> bool:
    """Whether its keys are the user's."""
    return bool(value.settings or value.secret_settings) or "additionalProperties" in value.rules


def _comment(lines: list[str], line: int, column: int) -> list[str]:
    """The comment right above a line at the same indentation."""
    found: list[str] = []
    begin = " " * column + "#"
    while line and lines[line - 1].startswith(begin):
        line -= 1
        found.insert(0, lines[line].strip().lstrip("#").strip())
    return found


def type_of(value: Value) -> str:
    """The word of JSON Schema for the type of its default."""
    return _TYPES[type(value.default)]
