"""Every set of values at the API server: dry run, install, upgrade, rollback, uninstall. kwok makes the pods."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from rillcast.testing.eventually import eventually
from tests.kubernetes.api import Api, Json
from tests.kubernetes.control_plane import Cluster, condition, make_namespace
from tests.kubernetes.helm import CHART, RELEASE, chosen, helm, objects, run

Say = Callable[[str], None]
CONTROLLERS_S = 180.0
UPGRADE = ("settings.LOG_LEVEL=warning", "drain.deadlineSeconds=60", "license.replicas=3")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEFT = (
    "all,configmaps,ingresses,networkpolicies,poddisruptionbudgets,roles,rolebindings,serviceaccounts,hpa,clusterroles,"
    "clusterrolebindings,scaledobjects,httproutes,servicemonitors,prometheusrules"
)
"""Kinds of objects of which nothing is left in the end."""


@dataclass(frozen=True)
class Values:
    """A set of values, by a name."""

    name: str
    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


BALANCERS = (
    *(f"{kind}.{field}=loadBalancer" for kind in ("edge", "origin") for field in ("network", "advertise")),
    "edge.settings.WORKERS=2",
)
BY_KEDA = (
    "autoscaling.by=keda",
    "autoscaling.prometheusUrl=http://prometheus.monitoring:9090",
    *(f"{kind}.autoscaling.enabled=true" for kind in ("signaling", "origin", "edge", "transcoder")),
    "discovery=nats",
    "edge.network=hostPort",
    "edge.advertise=internal",
    "hosts={live.example.com}",
    "gateway.enabled=true",
    "gateway.parentRefs[0].name=public",
    "signaling.settings.TRUSTED_PROXIES=10.0.0.0/8",
)
EVERY = (
    Values("defaults"),
    Values("dev", ("values-dev.yaml",)),
    Values("staging", ("values-staging.yaml",)),
    Values("prod", ("values-prod.yaml",)),
    Values("load balancers", sets=BALANCERS),
    Values("KEDA, Gateway API, NATS alone", sets=BY_KEDA),
)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one set of values. Whatever went wrong ends the run."""

    values: str
    dry_run: int
    """Objects that the server took in a dry run with strict validation, the hooks among them."""
    objects: int
    """Those that are there after the install."""
    pods: int
    """Ready ones, in the end."""
    budgets: int
    autoscalers: int
    replaced: int
    """Pods that were made anew by the upgrade."""
    seconds: float


async def make_definitions(api: Api, folder: Path) -> None:
    """The kinds of objects of others that the chart makes too, as their projects publish them."""
    names = []
    for path in sorted((folder / "definitions").glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text()):
            if one:
                await api.create(DEFINITIONS, one)
                names.append(one["metadata"]["name"])

    async def served() -> bool:
        return all([condition(await api.get(f"{DEFINITIONS}/{name}"), "Established") == "True" for name in names])

    await eventually(served, 60, "the definitions are served", every_s=0.5)


async def prove(cluster: Cluster, say: Say, every: Sequence[Values] = EVERY) -> list[Proof]:
    """All of them, one after the other."""
    found = []
    for number, values in enumerate(every):
        one = await _prove(cluster, values, f"chart-{number}")
        say(f"{values.name}: {one.objects} objects, {one.pods} pods, upgrade and rollback in {one.seconds:.0f} s")
        found.append(one)
    return found


async def _prove(cluster: Cluster, values: Values, namespace: str) -> Proof:
    began, options = time.monotonic(), chosen(values.files, values.sets)
    where = ("--namespace", namespace)
    await make_namespace(cluster.api, namespace)
    rendered = await helm(cluster, "template", RELEASE, CHART, *where, *options)
    strict = ("--dry-run=server", "--validate=strict", "--filename=-", "--output=name")
    dry = await run(cluster, "kubectl", "create", *where, *strict, stdin=rendered)

    await helm(cluster, "install", RELEASE, CHART, *where, *options)
    first = await objects(cluster, namespace)
    there = await run(
        cluster, "kubectl", "get", *where, "--filename=-", "--output=name", stdin=yaml.safe_dump_all(first)
    )
    assert len(there.split()) == len(first)
    autoscalers = await _autoscalers(cluster, namespace)
    await _settled(cluster, namespace)
    before, budgets = await _pods(cluster, namespace), await _budgets(cluster, namespace)

    await helm(cluster, "upgrade", RELEASE, CHART, *where, *options, *(f"--set={one}" for one in UPGRADE))
    await _settled(cluster, namespace)
    after = await _pods(cluster, namespace)
    environment = await _log_levels(cluster, namespace)
    assert environment == {"warning"}, environment

    await helm(cluster, "rollback", RELEASE, "1", *where)
    await _settled(cluster, namespace)
    assert await objects(cluster, namespace) == first
    assert await _log_levels(cluster, namespace) != {"warning"}

    await helm(cluster, "uninstall", RELEASE, *where)
    labels = ("--selector", f"app.kubernetes.io/instance={RELEASE}")

    async def nothing_left() -> bool:
        return not (await run(cluster, "kubectl", "get", LEFT, *where, *labels, "--output=name")).strip()

    await eventually(nothing_left, CONTROLLERS_S, f"{values.name}: nothing is left", every_s=1)
    return Proof(
        values=values.name,
        dry_run=len(dry.split()),
        objects=len(first),
        pods=len(before),
        budgets=budgets,
        autoscalers=autoscalers,
        replaced=len(set(after) - set(before)),
        seconds=round(time.monotonic() - began, 1),
    )


async def _pods(cluster: Cluster, namespace: str) -> list[str]:
    """Ids of those that are ready and stay."""
    items = await cluster.api.items(f"/api/v1/namespaces/{namespace}/pods")
    return [
        one["metadata"]["uid"]
        for one in items
        if condition(one, "Ready") == "True" and "deletionTimestamp" not in one["metadata"]
    ]


async def workloads(cluster: Cluster, namespace: str) -> list[Json]:
    """Deployments and StatefulSets."""
    found = []
    for kind in ("deployments", "statefulsets"):
        found += await cluster.api.items(f"/apis/apps/v1/namespaces/{namespace}/{kind}")
    return found


def is_settled(one: Json) -> bool:
    """Whether the controller has done what a Deployment or StatefulSet wishes, and no pod of before is left."""
    status, wished = one.get("status", {}), one["spec"].get("replicas", 1)
    counts = {status.get(field, 0) for field in ("replicas", "readyReplicas", "updatedReplicas")}
    seen = status.get("observedGeneration") == one["metadata"]["generation"]
    return seen and counts == {wished} and not status.get("terminatingReplicas", 0)


async def _settled(cluster: Cluster, namespace: str) -> None:
    async def settled() -> bool:
        waiting = [one["metadata"]["name"] for one in await workloads(cluster, namespace) if not is_settled(one)]
        assert not waiting, waiting
        return True

    await eventually(settled, CONTROLLERS_S, f"all workloads in {namespace} are as wished", every_s=0.5)


async def _log_levels(cluster: Cluster, namespace: str) -> set[str]:
    """The values of that setting in the pods of nodes."""
    found = set()
    for pod in await cluster.api.items(f"/api/v1/namespaces/{namespace}/pods"):
        for one in pod["spec"]["containers"][0].get("env") or []:
            if one["name"] == "RILLCAST_LOG_LEVEL":
                found.add(one["value"])
    return found


async def _budgets(cluster: Cluster, namespace: str) -> int:
    """How many there are. Each sees its pods, and lets one of them go."""

    async def counted() -> list[Json]:
        items = await cluster.api.items(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets")
        for one in items:
            status, name = one["status"], one["metadata"]["name"]
            assert status["expectedPods"] == status["currentHealthy"] > 0, (name, status)
            assert status["disruptionsAllowed"] == 1, (name, status)
        return items

    return len(await eventually(counted, CONTROLLERS_S, f"the budgets in {namespace}", every_s=0.5))


async def _autoscalers(cluster: Cluster, namespace: str) -> int:
    """How many there are. Each has found what it scales, and brought it to the least number of pods."""

    async def found() -> tuple[list[Json]]:
        path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
        items = await cluster.api.items(path)
        for one in items:
            status = one.get("status", {})
            assert condition(one, "AbleToScale") == "True", (one["metadata"]["name"], status)
            assert status["currentReplicas"] >= one["spec"]["minReplicas"], (one["metadata"]["name"], status)
        return (items,)

    (items,) = await eventually(found, CONTROLLERS_S, f"the autoscalers in {namespace}", every_s=1)
    return len(items)
