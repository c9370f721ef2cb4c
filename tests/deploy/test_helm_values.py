"""Values that contradict each other end `helm template` with sentences, and the shipped ones don't."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from helm_chart import CHART, EVENING, FILES, template

from scripts.reference.found import kinds
from scripts.reference.helm_schema import PATH
from scripts.reference.helm_values import read, secret_settings_of, settings_of, undocumented

HOSTS = ("hosts={a.example.com}", "signaling.settings.TRUSTED_PROXIES=10.0.0.0/8")
CONTRADICTIONS: list[tuple[tuple[str, ...], str]] = [
    (("drain.deadlineSeconds=110",), "drain.graceSeconds is 120, but edge needs 125: 0 s before SIGTERM"),
    (("edge.preStopSeconds=30",), "drain.graceSeconds is 120, but edge needs 135: 30 s before SIGTERM"),
    (("transcoder.network=host",), "transcoder.network is host, but clients send no media to transcoder"),
    (("license.advertise=external",), "license.advertise is external, but clients send no media to license"),
    (("edge.network=loadBalancer",), "edge.network is loadBalancer and edge.advertise is external: either both"),
    (("edge.advertise=loadBalancer",), "edge.network is host and edge.advertise is loadBalancer: either both"),
    (("edge.network=pod",), "edge.network is pod, so the machine's external address leads to no pod"),
    (("edge.advertise=addresses",), "edge.advertise is addresses, but edge.advertiseAddresses is empty"),
    (("edge.advertiseAddresses={192.0.2.1}",), "edge.advertiseAddresses is set, but edge.advertise is external"),
    (
        ("edge.advertise=addresses", "edge.advertiseAddresses={192.0.2.1}"),
        "edge.advertise is addresses, which are the same for each pod, but there may be more than one pod of edge",
    ),
    (
        ("edge.network=loadBalancer", "edge.advertise=loadBalancer", "edge.settings.ICE_TCP_CONNECTIONS=10"),
        "edge.settings.ICE_TCP_CONNECTIONS is set, but the load balancers of pods take UDP only",
    ),
    (
        ("edge.network=loadBalancer", "edge.advertise=loadBalancer", "deletionCost.enabled=true"),
        "edge.network is loadBalancer, so that its pods are a StatefulSet, which always ends the last one",
    ),
    (("networkPolicy.enabled=true",), "but networkPolicy.machineCidrs is empty: edge would not reach NATS"),
    (
        ("edge.autoscaling.enabled=true", "edge.autoscaling.maxReplicas=1"),
        "edge.autoscaling.maxReplicas is 1, which is less than minReplicas, 2",
    ),
    (
        ("license.autoscaling.enabled=true", "license.autoscaling.cpu=0"),
        "license.autoscaling is enabled, but no measure of it is more than 0",
    ),
    (
        (
            *("edge.autoscaling.enabled=true", "edge.autoscaling.memory=80"),
            *("edge.resources.requests.memory=null", "node.resources.requests.memory=null"),
        ),
        "edge.autoscaling.memory is a percentage of what is requested, but edge.resources.requests.memory is missing",
    ),
    (
        ("edge.autoscaling.enabled=true", "autoscaling.by=keda"),
        "edge.autoscaling.media is measured by KEDA, but autoscaling.prometheusUrl is empty",
    ),
    (EVENING, "edge.autoscaling.schedule is set, but edge.autoscaling.enabled is false"),
    (
        (*EVENING, "edge.autoscaling.enabled=true"),
        "edge.autoscaling.schedule is for KEDA, but autoscaling.by is prometheus-adapter",
    ),
    (
        (
            *(*EVENING, "edge.autoscaling.enabled=true", "edge.autoscaling.maxReplicas=7"),
            *("autoscaling.by=keda", "autoscaling.prometheusUrl=http://p"),
        ),
        "edge.autoscaling.schedule wants 8 pods, which is more than maxReplicas, 7",
    ),
    (("edge.mediaPort=50000",), "origin.mediaPort and edge.mediaPort both take port 50000/UDP of their machine"),
    (("edge.adminPort=9101",), "origin.adminPort and edge.adminPort both take port 9101/TCP of their machine"),
    (("origin.settings.WORKERS=101",), "origin.mediaPort and edge.mediaPort both take port 50100/UDP"),
    (("edge.relayPort=50100",), "edge.relayPort and edge.mediaPort both take port 50100/UDP"),
    (("nats.url=tls://nats:4222",), "nats.url names your own NATS, so nats.builtIn must be false"),
    (("nats.builtIn=false",), "nats.builtIn is false, so nats.url must name your own NATS"),
    (("nats.copies=3",), "nats.copies is 3, but the NATS of this chart is one server"),
    (("nats.caSecret=x",), "nats.caSecret is for your own NATS"),
    (("consul.url=https://consul:8501",), "consul.url names your own Consul, so consul.builtIn must be false"),
    (("consul.builtIn=false",), "consul.builtIn is false, so consul.url must name your own Consul"),
    (("consul.caSecret=x",), "consul.caSecret is for your own Consul"),
    (("discovery=nats", "consul.url=https://c:8501"), "consul.url is of no use with discovery nats"),
    (("ingress.enabled=true",), "ingress is enabled, but hosts is empty"),
    (
        ("ingress.enabled=true", HOSTS[0]),
        "ingress is enabled, but signaling.settings.TRUSTED_PROXIES is not set: all clients behind the proxy would",
    ),
    (
        ("ingress.enabled=true", *HOSTS, "signaling.tlsSecret=x"),
        "ingress is enabled, and so speaks TLS for signaling: signaling.tlsSecret makes",
    ),
    (("gateway.enabled=true", *HOSTS), "gateway is enabled, but gateway.parentRefs names no Gateway"),
    (
        ("autoscaling.by=keda", "autoscaling.adapterRules=true"),
        "autoscaling.adapterRules is for prometheus-adapter, but autoscaling.by is keda",
    ),
    (("license.documentSecret=x",), "license.documentSecret is set, but license.settings.PUBLIC_KEY is not"),
]
REFUSED_BY_THE_SCHEMA = [
    "edge.replcas=2",
    "edge.settings.MAX_SESION=1",
    "edge.settings.ADMIN_PORT=1",
    "settings.EDGE_RELAY_LINGER_S=1",
    "signaling.settings.JWT_SERVER_SECRET_KEY=shown-to-everybody",
    "edge.network=bridge",
    "edge.autoscaling.schedule[0].start=19:45",
    "edge.resources.request.cpu=1",
    "edge.probes.liveness.path=/",
    "network=host",
    "nats.url=nats://in-the-clear:4222",
    "webSocketTimeoutSeconds=60",
    "drain.deadlineSeconds=0",
    "edge.mediaPort=70000",
    "image.digest=latest",
]


SENTENCE = re.compile(r'append \$faults\s+(?:\(printf\s+)?"([^"]+)"')
"""A sentence in the template, as the format of printf."""


@cache
def said(sets: tuple[str, ...]) -> str:
    """What helm says to these values, which it must refuse."""
    done = template(sets=sets)
    assert done.returncode == 1
    assert "these values cannot be:" in done.stderr
    return done.stderr


@pytest.mark.parametrize(("sets", "sentence"), CONTRADICTIONS, ids=lambda it: it[:60] if isinstance(it, str) else "")
def test_a_contradiction_is_refused_in_a_sentence(sets: tuple[str, ...], sentence: str) -> None:
    assert sentence in said(sets)


def test_every_sentence_of_the_chart_is_tried() -> None:
    formats = SENTENCE.findall((CHART / "templates/_validate.tpl").read_text())
    everything = "\n".join(said(sets) for sets, _ in CONTRADICTIONS)

    patterns = [re.escape(one).replace("%d", r"\d+").replace("%s", r"[^\n]*?") for one in formats]

    assert len(patterns) > 25
    assert [pattern for pattern in patterns if not re.search(pattern, everything)] == []


def test_all_contradictions_are_told_at_once() -> None:
    done = template(sets=["nats.copies=3", "consul.caSecret=x", "edge.network=pod"])

    assert done.stderr.count("\n- ") == 3


@pytest.mark.parametrize("wrong", REFUSED_BY_THE_SCHEMA)
def test_what_is_misspelled_or_makes_no_sense_is_refused(wrong: str) -> None:
    done = template(sets=[wrong])

    assert done.returncode == 1
    assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.parametrize("file", ["values.yaml", *filter(None, FILES.values())])
def test_the_shipped_values_are_of_the_schema(root: Path, file: str) -> None:
    check = jsonschema_rs.validator_for(json.loads((root / PATH).read_text()))

    assert [str(fault) for fault in check.iter_errors(yaml.safe_load((CHART / file).read_text()))] == []


def test_every_value_is_described() -> None:
    assert undocumented(read()) == []


def test_no_object_of_the_schema_takes_what_it_does_not_know(root: Path) -> None:
    def open_ones(schema: Any, path: str) -> list[str]:
        if not isinstance(schema, dict):
            return []
        found = [path] if schema.get("type") == "object" and schema.get("additionalProperties", True) is True else []
        for name, below in schema.get("properties", {}).items():
            found += open_ones(below, f"{path}.{name}")
        return found

    assert open_ones(json.loads((root / PATH).read_text()), "") == [".global"]


@pytest.mark.parametrize("kind", kinds())
def test_secrets_are_given_by_the_name_of_a_secret_only(kind: str) -> None:
    assert not settings_of(kind).keys() & secret_settings_of(kind).keys()
    assert not any(word in name for name in settings_of(kind) for word in ("PASSWORD", "SECRET", "NKEY"))
