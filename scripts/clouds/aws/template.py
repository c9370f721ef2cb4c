"""The whole template, as text."""

from __future__ import annotations

import yaml

from scripts.clouds.aws.doors import budget, doors
from scripts.clouds.aws.keys import keys
from scripts.clouds.aws.machines import groups, mappings, nats
from scripts.clouds.aws.network import network, walls
from scripts.clouds.aws.parameters import conditions, parameters, rules
from scripts.clouds.aws.terms import Json, got, sub

PATH = "deploy/aws/rillcast.yaml"
HEAD = "# Written by `make clouds` from scripts/clouds. docs/clouds.md tells how to use it.\n"


class _Lines(yaml.SafeDumper):
    """Longer texts as blocks, and nothing by anchors, which CloudFormation does not know."""

    def ignore_aliases(self, data: object) -> bool:
        """Whether to write this in full: always."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Lines.add_representer(str, _text)


def template() -> Json:
    """The template as CloudFormation reads it."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Rillcast, a cluster for live streaming by WebRTC.",
        "Parameters": parameters(),
        "Rules": rules(),
        "Mappings": mappings(),
        "Conditions": conditions(),
        "Resources": {**network(), **walls(), **keys(), **doors(), **groups(), **nats(), **budget()},
        "Outputs": {
            "Address": {"Description": "Where people come in.", "Value": sub("https://${DomainName}")},
            "Balancer": {"Description": "What the names must lead to.", "Value": got("Balancer", "DNSName")},
        },
    }


def render() -> str:
    """The template as text, the same each time."""
    return HEAD + yaml.dump(template(), Dumper=_Lines, sort_keys=False, width=110, allow_unicode=True)
