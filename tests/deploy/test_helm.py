"""The Helm chart makes objects that Kubernetes takes, of containers without privileges, with settings that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_chart import (
    CHART,
    EVERYTHING,
    FILES,
    NAMESPACE,
    RELEASE,
    conform,
    containers,
    environment_of,
    helm,
    named,
    of_kind,
    pods,
    rendered,
    template,
    workload,
)

from rillcast.cli.compose_keys import write_keys
from rillcast.cli.kubernetes.keys import READERS
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_login import Login
from rillcast.runtime.bus.nats_users import new_seed
from rillcast.runtime.discovery.consul_acl import new_token
from rillcast.runtime.settings import NodeSettings

Settings = dict[NodeKind, type[NodeSettings]]


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_helm_finds_nothing_to_complain_of(file: str) -> None:
    done = helm("lint", "--strict", CHART, *([f"--values={CHART / file}"] if file else []))

    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_knows_every_field_of_every_object(tmp_path: Path) -> None:
    for name in EVERYTHING:
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(rendered(name)))

    done = conform(tmp_path, "-summary")

    assert done.returncode == 0, done.stdout
    valid = re.search(r"Valid: (\d+), Invalid: 0, Errors: 0", done.stdout)
    assert valid is not None, done.stdout
    assert int(valid[1]) > 200


@pytest.mark.parametrize(
    ("name", "kind", "field"),
    [
        ("defaults", "Deployment", "terminationGracePeriodSeconds"),
        ("gateway", "HTTPRoute", "backendRequest"),
        ("gateway", "ScaledObject", "minReplicaCount"),
        ("prod", "ServiceMonitor", "relabelings"),
        ("prod", "PrometheusRule", "annotations"),
    ],
)
def test_a_field_that_is_misspelled_is_found(tmp_path: Path, name: str, kind: str, field: str) -> None:
    text = yaml.safe_dump(next(one for one in of_kind(rendered(name), kind) if field in str(one)))
    (tmp_path / "one.yaml").write_text(text.replace(f"{field}:", f"{field}s:"))

    done = conform(tmp_path)

    assert done.returncode == 1
    assert f"{field}s" in done.stdout


def test_names_are_unique_and_in_the_namespace() -> None:
    for name in EVERYTHING:
        documents = rendered(name)
        keys = [(one["kind"], one["metadata"]["name"]) for one in documents]
        assert len(keys) == len(set(keys)), name
        for one in documents:
            if not one["kind"].startswith("ClusterRole"):
                assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_container_runs_without_privileges(name: str) -> None:
    found = list(pods(rendered(name)))

    assert len(found) > 5
    for pod_name, pod in found:
        own = pod["securityContext"]
        assert own["runAsNonRoot"] is True
        assert own["runAsUser"] == own["runAsGroup"] == 10_001, "the user that the Dockerfile makes"
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, "RILLCAST_EDGE_PORT of a Service would be taken for a setting"
        assert pod.keys().isdisjoint({"hostPID", "hostIPC", "shareProcessNamespace"})
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "privileged": False,
                "capabilities": {"drop": ["ALL"]},
            }, (pod_name, container["name"])
            assert container["resources"]["limits"]["memory"], (pod_name, container["name"])
            assert container["resources"]["requests"], (pod_name, container["name"])
        for volume in pod.get("volumes", []):
            assert "hostPath" not in volume
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"]


def test_an_edge_that_sends_raw_begins_with_what_setpriv_needs_and_nothing_else_does() -> None:
    done = template(sets=["edge.rawEgress=true"])
    assert done.returncode == 0, done.stderr
    documents = [one for one in yaml.safe_load_all(done.stdout) if one]
    found = {one["name"]: one for _, pod in pods(documents) for one in containers(pod)}

    edge, origin = found["edge"], found["origin"]
    assert edge["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["NET_RAW", "SETUID", "SETGID", "SETPCAP"],
    }
    assert edge["securityContext"]["runAsUser"] == 0
    assert edge["securityContext"]["allowPrivilegeEscalation"] is False
    assert edge["command"][:4] == ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"]
    assert edge["command"][-3:] == ["python", "-m", "services.edge"]
    assert {"name": "RILLCAST_EDGE_EGRESS", "value": "raw"} in edge["env"]
    assert origin["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", EVERYTHING)
def test_only_who_asks_the_api_server_sees_an_account(name: str) -> None:
    asking = {
        container["name"]
        for _, pod in pods(rendered(name))
        for container in containers(pod)
        if any(mount["name"] == "account" for mount in container.get("volumeMounts", []))
    }

    assert asking <= {"place", "keys", "costs"}
    for role in of_kind(rendered(name), "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in str(rule)
            assert not (rule["resources"] == ["secrets"] and "list" in rule["verbs"])


@pytest.mark.parametrize("kind", NodeKind)
@pytest.mark.parametrize("name", EVERYTHING)
def test_what_the_chart_sets_is_accepted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, kind: NodeKind
) -> None:
    (container,) = workload(rendered(name), kind)["spec"]["template"]["spec"]["containers"]
    given = environment_of(container)
    texts = {"nats.nkey": new_seed(), "consul.token": new_token(), "media-addresses": "203.0.113.7,2001:db8::7"}
    texts["password"] = "made-by-the-job"
    for variable, value in given.items():
        if variable.startswith("RILLCAST_TOOLS_"):
            continue
        if variable.endswith("_FILE") and not field_of(variable, settings[kind], files=False):
            path = tmp_path / Path(value).name
            path.write_text(texts.get(path.name, "a") + "\n")
            monkeypatch.setenv(variable, str(path))
        else:
            monkeypatch.setenv(variable, value_of(value))

    loaded = settings[kind]()

    known = [one for one in given if one != "POD_IP" and not one.startswith("RILLCAST_TOOLS_")]
    assert [one for one in known if not field_of(one, settings[kind])] == []
    assert len(given) == len(container["env"]), "no variable is set twice"
    assert Login(loaded).demands_tls
    assert loaded.admin_host == loaded.advertise_address == "192.0.2.1", "never on a public address"
    assert loaded.drain_timeout_s > 30


def value_of(value: Any) -> str:
    """What Kubernetes makes of the value of a variable."""
    addresses = {"status.podIP": "192.0.2.1", "status.hostIP": "192.0.2.9"}
    if isinstance(value, dict):
        path = value.get("fieldRef", {}).get("fieldPath", "")
        return {"metadata.name": "rillcast-edge-7d4b9c-x2x4z", **addresses}.get(path, "of-a-secret" * 3)
    return str(value).replace("$(POD_IP)", "192.0.2.1")


def field_of(variable: str, cls: type[NodeSettings], *, files: bool = True) -> str | None:
    """The field that a variable sets in a service."""
    for prefix in (str(cls.model_config["env_prefix"]), "RILLCAST_"):
        name = variable.removeprefix(prefix).lower()
        if not variable.startswith(prefix):
            continue
        for field in (name, *([name.removesuffix("_file")] if files else [])):
            if field in cls.model_fields:
                return field
    return None


@pytest.mark.parametrize("kind", NodeKind)
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_node_has_the_time_to_drain(name: str, kind: NodeKind) -> None:
    pod = workload(rendered(name), kind)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])

    drain_s = float(environment_of(container)["RILLCAST_DRAIN_TIMEOUT_S"])

    assert before[0] == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= int(before[1]) + drain_s + 15
    assert kind is not NodeKind.SIGNALING or int(before[1]) >= 15, "load balancers lag behind"


@pytest.mark.parametrize("kind", NodeKind)
def test_probes_ask_what_nodes_serve(root: Path, kind: NodeKind) -> None:
    (container,) = workload(rendered("prod"), kind)["spec"]["template"]["spec"]["containers"]
    served = set(re.findall(r'app\.get\("(/\w+)"', (root / "rillcast/runtime/process/admin.py").read_text()))
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}

    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    patience = {name: probe["periodSeconds"] * probe["failureThreshold"] for name, probe in probes.items()}

    assert paths == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
    assert set(paths.values()) <= served
    assert patience["readiness"] < patience["liveness"] < patience["startup"]
    (port,) = [one for one in container["ports"] if one["name"] == "admin"]
    assert environment_of(container)["RILLCAST_ADMIN_PORT"] == str(port["containerPort"])
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"admin"}


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_that_is_mounted_is_made_or_named_in_the_values(name: str) -> None:
    documents = rendered(name)
    maps = {one["metadata"]["name"] for one in of_kind(documents, "ConfigMap")} | {"kube-root-ca.crt"}
    keys = {f"{RELEASE}-keys-{reader}" for reader in READERS}
    own = {"own-tls", "license", "consul-ca-cert"}
    accounts = {one["metadata"]["name"] for one in of_kind(documents, "ServiceAccount")} | {None}
    for pod_name, pod in pods(documents):
        assert pod.get("serviceAccountName") in accounts, pod_name
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        mounted = {mount["name"] for one in containers(pod) for mount in one.get("volumeMounts", [])}
        claims = {"data"} if pod_name.endswith(("-nats", "-consul")) else set()
        assert mounted == set(volumes) | claims, pod_name
        for volume in volumes.values():
            if "secret" in volume:
                assert volume["secret"]["secretName"] in keys | own
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps


def test_each_pod_sees_only_its_own_keys() -> None:
    for kind in NodeKind:
        volumes = workload(rendered("defaults"), kind)["spec"]["template"]["spec"]["volumes"]
        keys = {
            volume["secret"]["secretName"].removeprefix(f"{RELEASE}-keys-") for volume in volumes if "secret" in volume
        }
        more = {NodeKind.LICENSE: {BusUser.TOOLS.value}, NodeKind.SIGNALING: {"operator"}}
        assert keys == {kind.value} | more.get(kind, set())


def test_the_keys_job_may_write_those_secrets_and_no_others(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    role = named(rendered("defaults"), "Role", f"{RELEASE}-keys")
    (job,) = of_kind(rendered("defaults"), "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]

    (by_name,) = [rule for rule in role["rules"] if "resourceNames" in rule]

    assert sorted(by_name["resourceNames"]) == sorted(f"{RELEASE}-keys-{reader}" for reader in READERS)
    assert container["command"] == ["rillcast", "kubernetes", "keys"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [one["metadata"]["annotations"]["helm.sh/hook-weight"] for one in (role,)]
    assert weights == ["-10"], "it is there before the job"
    for kind in NodeKind:
        assert {"nats.nkey", "consul.token", "ca.pem"} <= {path.name for path in (tmp_path / kind).iterdir()}


@pytest.mark.parametrize("link", ["nats.conf", "agent.hcl", "dashboards", "rules"])
def test_what_compose_has_as_well_is_the_same_file(link: str) -> None:
    path = CHART / "files" / link

    assert path.is_symlink()
    assert path.exists()


def test_helm_test_asks_every_kind_of_node() -> None:
    (pod,) = of_kind(rendered("prod"), "Pod")
    (container,) = pod["spec"]["containers"]
    admin = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in of_kind(rendered("prod"), "Service")}

    assert container["args"][0] == f"{RELEASE}:80"
    assert container["args"][1:] == [
        f"{RELEASE}-{kind}:{admin[f'{RELEASE}-{kind}']}"
        for kind in ("signaling", "origin", "edge", "transcoder", "license")
    ]
    compile(container["command"][2], "reach.py", "exec")


def test_our_values_for_three_servers_of_nats_lose_nothing_that_was_acknowledged(root: Path) -> None:
    values = yaml.safe_load((root / "deploy/helm/nats.yaml").read_text())["config"]

    assert values["cluster"] == {"enabled": True, "replicas": 3}
    assert values["jetstream"]["merge"] == {"sync_interval": "always"}
    assert values["jetstream"]["fileStore"]["pvc"]["enabled"] is True
    assert values["nats"]["tls"]["enabled"] is True


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_what_helm_says_at_the_end_names_what_is_made(file: str) -> None:
    values = [f"--values={CHART / file}"] if file else []
    done = helm("install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client", *values)

    _, found, notes = done.stdout.partition("NOTES:")

    assert found, done.stderr
    assert f"{RELEASE}-keys-operator -o jsonpath={{.data.password}}" in notes
    assert f"deploy/{RELEASE}-signaling -- rillcast status" in notes
    assert ("nobody can be moved" in notes) is (file == "values-dev.yaml")


def test_what_a_kind_says_wins_even_if_it_is_nothing() -> None:
    sets = ("node.autoscaling.enabled=true", "license.autoscaling.enabled=false", "node.preStopSeconds=5")
    done = template(sets=[*sets, "edge.preStopSeconds=0", "node.replicas=3", "transcoder.replicas=0"])
    documents = [one for one in yaml.safe_load_all(done.stdout) if one]

    assert {one["metadata"]["name"] for one in of_kind(documents, "HorizontalPodAutoscaler")} == {
        f"{RELEASE}-{kind}" for kind in NodeKind if kind is not NodeKind.LICENSE
    }
    assert "lifecycle" not in workload(documents, "edge")["spec"]["template"]["spec"]["containers"][0]
    assert "lifecycle" in workload(documents, "origin")["spec"]["template"]["spec"]["containers"][0]
    assert workload(documents, "license")["spec"]["replicas"] == 3


def test_the_account_of_who_looks_up_its_place_may_do_just_that() -> None:
    for name, rules in {"defaults": [], "balancers": [(["services"], ["get"])]}.items():
        documents = rendered(name)
        (machines,) = of_kind(documents, "ClusterRole")
        (binding,) = of_kind(documents, "ClusterRoleBinding")
        own = [one for one in of_kind(documents, "Role") if one["metadata"]["name"] == f"{RELEASE}-place"]

        assert [(rule["resources"], rule["verbs"]) for rule in machines["rules"]] == [(["nodes"], ["get"])]
        assert machines["metadata"]["name"] == f"{NAMESPACE}-{RELEASE}-place", "releases in two namespaces have two"
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": f"{RELEASE}-place", "namespace": NAMESPACE}]
        assert [(rule["resources"], rule["verbs"]) for role in own for rule in role["rules"]] == rules
