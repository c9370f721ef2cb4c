"""Autoscalers, alerts and dashboards of the chart speak of series that nodes export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from helm_chart import CHART, NAMESPACE, RELEASE, named, of_kind, rendered, template, workload

from rillcast.cli.kubernetes.costs import COMPONENT, LOSES
from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import MediaSettings, NodeSettings

Instruments = Mapping[str, set[str]]
SERIES = re.compile(r"\brillcast_[a-z0-9_]+")
MATCHER = re.compile(r"\{([^}]*)\}")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
OF_SCRAPING = {"namespace", "pod", "service", "node"}
SCALED = ("signaling", "origin", "edge", "transcoder")


def rules() -> list[dict[str, Any]]:
    """What prometheus-adapter is told."""
    text = named(rendered("prod"), "ConfigMap", f"{RELEASE}-adapter-rules")["data"]["config.yaml"]
    found: list[dict[str, Any]] = yaml.safe_load(text)["rules"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Every expression of the chart, and the series that it is about."""
    for rule in rules():
        series = rule["seriesQuery"].split("{")[0]
        yield series, rule["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="a"').replace("<<.GroupBy>>", "pod")
    for scaled in of_kind(rendered("gateway"), "ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                (series,) = set(SERIES.findall(trigger["metadata"]["query"]))
                yield series, trigger["metadata"]["query"]


def test_every_series_and_label_is_exported(instruments: Instruments) -> None:
    assert len(list(queries())) > 10
    for series, expression in queries():
        names = SERIES.findall(expression)
        assert names
        assert not series or set(names) == {series}
        known = OF_SCRAPING.union(*(instruments[name] for name in names))
        matched = ",".join(MATCHER.findall(expression)).split(",")
        used = {re.split(r"[!=~]", part)[0].strip() for part in matched if part}
        used |= {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
        assert used <= known, expression


def test_the_adapter_is_told_of_every_metric_that_an_autoscaler_asks_for() -> None:
    told = {rule["name"]["as"] for rule in rules()}
    asked = {
        metric["pods"]["metric"]["name"]
        for scaler in of_kind(rendered("prod"), "HorizontalPodAutoscaler")
        for metric in scaler["spec"]["metrics"]
        if metric["type"] == "Pods"
    }

    assert {"rillcast_edge_viewers", "rillcast_packets_sent_per_second", "rillcast_transcoder_cpu_ratio"} <= asked
    assert asked <= told


@pytest.mark.parametrize("kind", SCALED)
def test_keda_and_the_adapter_want_the_same(kind: str) -> None:
    by_adapter = targets_of(template(sets=[f"{kind}.autoscaling.enabled=true"]).stdout, kind)
    keda = ("autoscaling.by=keda", "autoscaling.prometheusUrl=http://p:9090", f"{kind}.autoscaling.enabled=true")
    by_keda = targets_of(template(sets=keda).stdout, kind)

    assert by_adapter == by_keda
    assert len(by_adapter) >= 2


def test_a_time_that_is_known_beforehand_has_a_trigger_of_its_own() -> None:
    edge = next(
        one for one in of_kind(rendered("gateway"), "ScaledObject") if one["metadata"]["name"].endswith("-edge")
    )

    (evening,) = [one["metadata"] for one in edge["spec"]["triggers"] if one["type"] == "cron"]

    assert evening == {
        "timezone": "Europe/Berlin",
        "start": "45 19 * * *",
        "end": "0 23 * * *",
        "desiredReplicas": "8",
    }
    assert int(evening["desiredReplicas"]) <= edge["spec"]["maxReplicaCount"]


def targets_of(text: str, kind: str) -> list[float]:
    documents = [one for one in yaml.safe_load_all(text) if one]
    scaler = next(of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"))["spec"]
    assert scaler["scaleTargetRef"]["name"] == f"{RELEASE}-{kind}"
    if "triggers" in scaler:
        amounts = [t["metadata"].get("threshold", t["metadata"].get("value")) for t in scaler["triggers"]]
        return [float(amount) for amount in amounts]
    return [
        float(metric["pods"]["target"]["averageValue"].removesuffix("m")) / 1000
        if metric["type"] == "Pods"
        else float(metric["resource"]["target"]["averageUtilization"])
        for metric in scaler["metrics"]
    ]


def test_a_share_is_one_of_the_setting_that_limits_a_node() -> None:
    edge = ["edge.autoscaling.enabled=true", "edge.autoscaling.cpu=0", "edge.autoscaling.media.viewers=0"]

    by_default = targets_of(template(sets=edge).stdout, "edge")
    by_setting = targets_of(
        template(sets=[*edge, "edge.settings.MAX_PPS=300000", "settings.MAX_EGRESS_BPS=2000000000"]).stdout, "edge"
    )

    fields = MediaSettings.model_fields
    assert by_default == [0.6 * fields["max_egress_bps"].default, 0.5 * fields["max_pps"].default]
    assert by_setting == [0.6 * 2_000_000_000, 0.5 * 300_000]


def test_the_settings_that_shares_are_of_exist(settings: Mapping[NodeKind, type[NodeSettings]]) -> None:
    text = (CHART / "templates/_media_metrics.tpl").read_text()
    limits = dict(zip(re.findall(r"of: (\w+)", text), re.findall(r"limit: (\d+)", text), strict=True))

    assert {name: int(limit) for name, limit in limits.items()} == {
        name: settings[NodeKind.EDGE].model_fields[name.lower()].default for name in limits
    }


@pytest.mark.parametrize("kind", SCALED)
@pytest.mark.parametrize("name", ["prod", "gateway"])
def test_scaling_out_is_fast_and_scaling_in_slow(name: str, kind: str) -> None:
    scaler = next(
        one
        for one in of_kind(rendered(name), "HorizontalPodAutoscaler", "ScaledObject")
        if one["metadata"]["name"] == f"{RELEASE}-{kind}"
    )["spec"]
    advanced = scaler.get("advanced", {}).get("horizontalPodAutoscalerConfig", scaler)

    behavior = advanced["behavior"]

    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 120}]
    grace = workload(rendered(name), kind)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert behavior["scaleDown"]["policies"][0]["periodSeconds"] >= grace, "the one before has gone"
    assert "replicas" not in workload(rendered(name), kind)["spec"], "an upgrade would undo what the autoscaler did"


@pytest.mark.parametrize("name", ["defaults", "prod", "balancers"])
def test_one_pod_of_a_kind_is_evicted_at_a_time(name: str) -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(name), "PodDisruptionBudget")}

    assert sorted(budgets) == sorted(f"{RELEASE}-{kind}" for kind in NodeKind)
    for kind in NodeKind:
        assert budgets[f"{RELEASE}-{kind}"]["maxUnavailable"] == 1
        labels = workload(rendered(name), kind)["spec"]["template"]["metadata"]["labels"]
        assert budgets[f"{RELEASE}-{kind}"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_controller_finds_the_pods_and_their_series(instruments: Instruments) -> None:
    costs = workload(rendered("prod"), "costs")["spec"]["template"]["spec"]["containers"][0]
    selector = dict(part.split("=") for part in costs["args"][0].removeprefix("--labels=").split(","))

    for kind, gauge in LOSES.items():
        labels = workload(rendered("prod"), kind)["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert labels[COMPONENT] == kind
        assert instruments[gauge] == set()
    rules_of = named(rendered("prod"), "Role", f"{RELEASE}-costs")["rules"]
    assert rules_of == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}]


def test_prometheus_finds_each_kind_of_node_under_the_labels_of_the_dashboards() -> None:
    (monitor,) = of_kind(rendered("prod"), "ServiceMonitor")
    chosen = [
        one["metadata"]["labels"]["app.kubernetes.io/component"]
        for one in of_kind(rendered("prod"), "Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    ]

    (endpoint,) = monitor["spec"]["endpoints"]

    assert sorted(chosen) == sorted(NodeKind)
    assert endpoint["path"] == "/metrics"
    assert {rule["targetLabel"] for rule in endpoint["relabelings"]} == {"service", "node", "region", "zone"}
    for service in of_kind(rendered("prod"), "Service"):
        if service["metadata"]["labels"].get("rillcast/metrics"):
            assert service["spec"]["publishNotReadyAddresses"] is True, "who drains is measured, too"
            assert service["metadata"]["namespace"] == NAMESPACE


def test_the_dashboards_are_those_of_compose() -> None:
    found = named(rendered("prod"), "ConfigMap", f"{RELEASE}-dashboards")["data"]

    assert found.keys() == {path.name for path in (CHART / "files/dashboards").glob("*.json")}
    assert sum(map(len, found.values())) < 900_000, "a ConfigMap holds 1 MiB"


def test_links_of_the_dashboards_lead_to_the_console_of_the_release() -> None:
    def console(*sets: str) -> str:
        made = [one for one in yaml.safe_load_all(template("values-prod.yaml", sets).stdout) if one]
        text = named(made, "ConfigMap", f"{RELEASE}-dashboards")["data"]["overview.json"]
        there = {one["name"]: one["query"] for one in json.loads(text)["templating"]["list"]}
        return str(there["console"])

    assert console("hosts={live.example.com}") == "https://live.example.com/console"
    assert console("monitoring.dashboards.console=https://ops.example.com/c") == "https://ops.example.com/c"


def test_the_alerts_are_those_of_compose_and_lead_to_the_documentation_that_is_named() -> None:
    def groups(*sets: str) -> list[dict[str, Any]]:
        made = [one for one in yaml.safe_load_all(template("values-prod.yaml", sets).stdout) if one]
        found: list[dict[str, Any]] = next(of_kind(made, "PrometheusRule"))["spec"]["groups"]
        return found

    files = (CHART / "files/rules").glob("*.yml")
    own = [group for file in sorted(files) for group in yaml.safe_load(file.read_text())["groups"]]
    address = "https://docs.example.com/rillcast/"
    leading = [
        rule["annotations"]["runbook_url"]
        for group in groups(f"monitoring.rules.runbooks={address}")
        for rule in group["rules"]
        if "alert" in rule
    ]

    assert groups() == own
    assert len(leading) > 20
    assert all(url.startswith(f"{address}operations.md#rillcast") for url in leading)
