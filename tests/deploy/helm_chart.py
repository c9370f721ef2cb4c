"""The Helm chart as helm renders it: what the tests of it share."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/rillcast"
RELEASE, NAMESPACE = "rillcast", "streams"
FILES = {"defaults": "", **{name: f"values-{name}.yaml" for name in ("dev", "staging", "prod")}}
"""What a release is made with, by a name."""
BALANCERS = (
    "edge.network=loadBalancer",
    "edge.advertise=loadBalancer",
    "origin.network=hostPort",
    "signaling.tlsSecret=own-tls",
    "signaling.apps.live.h264Enabled=true",
    "edge.settings.WORKERS=2",
    "edge.settings.ICE_TCP_CONNECTIONS=0",
    "origin.settings.ICE_TCP_CONNECTIONS=100",
    "license.documentSecret=license",
    "license.settings.PUBLIC_KEY=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "signaling.settings.JWT_SERVER_CONTROL_ENABLED=true",
    "signaling.secretSettings.JWT_SERVER_SECRET_KEY.name=jwt",
    "signaling.secretSettings.JWT_SERVER_SECRET_KEY.key=secret",
)
EVENING = tuple(
    f"edge.autoscaling.schedule[0].{name}={value}"
    for name, value in (
        *(("timezone", "Europe/Berlin"), ("start", "45 19 * * *"), ("end", "0 23 * * *"), ("replicas", "8")),
    )
)
GATEWAY = (
    "hosts={live.example.com}",
    "gateway.enabled=true",
    "gateway.parentRefs[0].name=public",
    "signaling.settings.TRUSTED_PROXIES=10.0.0.0/8",
    "autoscaling.by=keda",
    "autoscaling.prometheusUrl=http://prometheus.monitoring:9090",
    *(f"{kind}.autoscaling.enabled=true" for kind in ("signaling", "origin", "edge", "transcoder")),
    "edge.autoscaling.memory=80",
    *EVENING,
    "discovery=nats",
    "edge.network=hostPort",
    "edge.advertise=internal",
)
EVERYTHING: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (file, ()) for name, file in FILES.items()},
    "balancers": ("", BALANCERS),
    "gateway": ("", GATEWAY),
    "own-keys": ("values-prod.yaml", ("keys.generate=false", "topology.fromMachines=false", "topology.zone=a")),
}
"""Values that reach each branch of the templates: a file, and what is set besides."""
Document = dict[str, Any]


@cache
def tools() -> Path:
    """The folder with helm, kubeconform and the schemas."""
    found = subprocess.run(
        [ROOT / "deploy/helm/get-tools", "--cached"], capture_output=True, text=True, check=False, timeout=60
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    if os.environ.get("RILLCAST_REQUIRE_ALL"):
        pytest.fail("helm and kubeconform are not there; run: deploy/helm/get-tools")
    pytest.skip("helm and kubeconform are not there; run: deploy/helm/get-tools")


def conform(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What kubeconform says of the files in a folder."""
    places = [str(tools() / "schemas"), str(custom_schemas() / "{{ .ResourceKind }}{{ .KindSuffix }}.json")]
    located = [word for place in places for word in ("-schema-location", place)]
    command = [str(tools() / "bin/kubeconform"), "-strict", *located, *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@cache
def custom_schemas() -> Path:
    """A folder with the schemas of kinds of objects that are not of Kubernetes itself."""
    spec = importlib.util.spec_from_file_location("schemas", ROOT / "deploy/helm/kubernetes_schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = Path(tempfile.mkdtemp(prefix="rillcast-schemas-"))
    atexit.register(shutil.rmtree, folder)
    for path in (tools() / "definitions").glob("*.yaml"):
        for name, schema in module.custom(yaml.safe_load(path.read_text())).items():
            (folder / name).write_text(json.dumps(schema))
    return folder


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What helm does with these arguments."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HELM_NO_PLUGINS": "1"}
    command = [tools() / "bin/helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


def template(file: str = "", sets: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """What `helm template` makes with a file of values, and with values that are set besides."""
    files = [f"--values={CHART / file}"] if file else []
    named = [word for one in sets for word in ("--set", one)]
    return helm("template", RELEASE, CHART, "--namespace", NAMESPACE, *files, *named)


@cache
def rendered(name: str) -> tuple[Document, ...]:
    """All objects that the values of this name in `EVERYTHING` make."""
    file, sets = EVERYTHING[name]
    done = template(file, sets)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def of_kind(documents: Sequence[Document], *kinds: str) -> Iterator[Document]:
    """Those of some kinds of object."""
    return (document for document in documents if document["kind"] in kinds)


def named(documents: Sequence[Document], kind: str, name: str) -> Document:
    """The object of this kind and name."""
    (found,) = [one for one in of_kind(documents, kind) if one["metadata"]["name"] == name]
    return found


def pods(documents: Sequence[Document]) -> Iterator[tuple[str, Document]]:
    """The name and the `spec` of everything that is a pod or makes pods."""
    for document in documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document["spec"]
        elif document["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def containers(pod: Document) -> list[Document]:
    """All of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def workload(documents: Sequence[Document], kind: str) -> Document:
    """What runs one kind of node."""
    (found,) = [
        one for one in of_kind(documents, "Deployment", "StatefulSet") if one["metadata"]["name"] == f"{RELEASE}-{kind}"
    ]
    return found


def environment_of(container: Document) -> dict[str, Any]:
    """The variables of a container: a text, or where it comes from."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}
