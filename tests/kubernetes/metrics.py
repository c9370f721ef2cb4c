"""Prometheus, which reads the metrics of the nodes, and prometheus-adapter, which tells autoscalers of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import yaml

from rillcast.testing.eventually import eventually
from tests.kubernetes.api import Json, Refused
from tests.kubernetes.control_plane import LIVE, Cluster, make_namespace, server
from tests.kubernetes.names import TARGETS
from tests.kubernetes.network import HERE

INTERVAL_S = 10
"""As the ServiceMonitor of the chart says."""
GROUP, VERSION = "custom.metrics.k8s.io", "v1beta1"
PROMETHEUS, ADAPTER_PORT = f"http://{HERE}:9090", 6444
NAMESPACE = "monitoring"


def _prometheus(targets: Path) -> Json:
    job = {"job_name": "nodes", "file_sd_configs": [{"files": [str(targets)]}]}
    return {"global": {"scrape_interval": f"{INTERVAL_S}s", "scrape_timeout": "5s"}, "scrape_configs": [job]}


@asynccontextmanager
async def metrics(cluster: Cluster, rules: str) -> AsyncIterator[None]:
    """Both, and the API of metrics as a part of the API server, until the end of the block. `rules`: those of the
    chart's ConfigMap."""
    folder = cluster.folder
    config, rule_file = folder / "prometheus.yaml", folder / "adapter-rules.yaml"
    config.write_text(yaml.safe_dump(_prometheus(folder / TARGETS)))
    rule_file.write_text(rules)
    adapter = (
        f"--config={rule_file}",
        f"--prometheus-url={PROMETHEUS}",
        f"--secure-port={ADAPTER_PORT}",
        f"--cert-dir={folder / 'adapter'}",
        *(f"--{what}-kubeconfig={cluster.kubeconfig}" for what in ("authentication", "authorization", "lister")),
        *("--metrics-relist-interval=15s", "--metrics-max-age=1m"),
    )
    prometheus = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}")
    async with AsyncExitStack() as stack:
        address = f"--web.listen-address={HERE}:9090"
        await stack.enter_async_context(server(folder, "prometheus", *prometheus, address))
        await eventually(_prometheus_is_ready, 60, "Prometheus is ready", not_yet=(httpx.HTTPError,), every_s=0.5)
        await stack.enter_async_context(server(folder, "prometheus-adapter", *adapter))
        await _register(cluster)
        yield


async def _prometheus_is_ready() -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{PROMETHEUS}/-/ready")).is_success


async def _register(cluster: Cluster) -> None:
    api = cluster.api
    await make_namespace(api, NAMESPACE)
    spec = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": ADAPTER_PORT}]}
    body: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter"}, "spec": spec}
    await api.create(f"/api/v1/namespaces/{NAMESPACE}/services", body)
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{VERSION}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "service": {"namespace": NAMESPACE, "name": "adapter", "port": ADAPTER_PORT},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    await api.create("/apis/apiregistration.k8s.io/v1/apiservices", body)


async def known_metrics(cluster: Cluster) -> set[str]:
    """Names of the metrics of pods in the API."""
    found = await cluster.api.get(f"/apis/{GROUP}/{VERSION}")
    return {one["name"].removeprefix("pods/") for one in found["resources"] if one["name"].startswith("pods/")}


async def values(cluster: Cluster, metric: str) -> dict[str, float]:
    """Of each pod that has it, by the pod's name, as an autoscaler sees it."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{LIVE}/pods/*/{metric}"
    try:
        items = await cluster.api.items(path)
    except Refused:
        return {}
    return {one["describedObject"]["name"]: _number(one["value"]) for one in items}


def _number(quantity: str) -> float:
    """Kubernetes writes 1500m for 1.5."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
