"""Which pod goes first when a Deployment has too many: the one with the least to lose.

Kubernetes takes the pod with the lowest `controller.kubernetes.io/pod-deletion-cost` (KEP-2255). So that annotation is
kept at how many viewers an edge has, publishers an origin, jobs a transcoder. Each node tells it in its /metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.kubernetes.api import Json
from rillcast.contracts.words import NodeKind
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
COMPONENT = "app.kubernetes.io/component"
ADMIN_PORT = "admin"
"""The name of the port of a node's admin listener in its pod."""
MOST_COST = 2**31 - 1
LOSES: Mapping[str, str] = {
    NodeKind.EDGE: "rillcast_edge_viewers",
    NodeKind.ORIGIN: "rillcast_origin_publishers",
    NodeKind.TRANSCODER: "rillcast_transcoder_jobs",
}
"""For each kind of node, the gauge that tells whom its end would disturb."""
_ANSWER_S = 5.0
_MOST_BYTES = 4 * 1024**2
"""Of one answer: a node's metrics are some 100 KiB."""

Look = Callable[[str], str]
"""Gets the text at a URL. Raises OSError or `httpx.HTTPError`."""


class Pods(Protocol):
    """Where the pods are; see `ClusterApi`."""

    def pods(self, labels: str) -> list[Json]:
        """Those that a selector matches."""
        ...

    def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of one."""
        ...


@dataclass
class Round:
    """What one look at all pods came to."""

    written: int = 0
    kept: int = 0
    unknown: int = 0
    """Pods that did not tell, or whose cost could not be written. Their last cost stays."""


def keep_costs(api: Pods, labels: str, look: Look) -> Round:
    """Look at each pod once, and write the costs that have changed. Raises CannotGoOn when nobody lists the pods."""
    done = Round()
    for pod in api.pods(labels):
        meta = pod.get("metadata", {})
        gauge, url = LOSES.get(meta.get("labels", {}).get(COMPONENT, "")), _metrics_url(pod)
        if gauge is None or url is None or "deletionTimestamp" in meta:
            continue
        try:
            cost = cost_in(look(url), gauge)
            if (meta.get("annotations") or {}).get(ANNOTATION) == str(cost):
                done.kept += 1
                continue
            api.annotate_pod(meta["name"], {ANNOTATION: str(cost)})
        except (OSError, ValueError, httpx.HTTPError, CannotGoOn) as error:
            log.warning("The cost of a pod could not be kept", pod=meta.get("name"), reason=str(error))
            done.unknown += 1
        else:
            done.written += 1
    return done


def cost_in(text: str, gauge: str) -> int:
    """The value of a gauge in the text of /metrics, as a cost. Raises ValueError when it is not in there."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == gauge:
                return max(0, min(MOST_COST, int(sample.value)))
    raise ValueError(f"there is no {gauge} in its metrics")


def metrics_of(url: str) -> str:
    """The text that a node answers. Raises `httpx.HTTPError`; ValueError when it is too long."""
    text = bytearray()
    with httpx.stream("GET", url, timeout=_ANSWER_S, trust_env=False) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            text += part
            if len(text) > _MOST_BYTES:
                raise ValueError(f"its metrics are longer than {_MOST_BYTES} bytes")
    return text.decode("utf-8")


def _metrics_url(pod: Json) -> str | None:
    address = pod.get("status", {}).get("podIP")
    ports = [port for one in pod.get("spec", {}).get("containers", ()) for port in one.get("ports") or ()]
    number = next((port["containerPort"] for port in ports if port.get("name") == ADMIN_PORT), None)
    if not address or number is None:
        return None
    return f"http://[{address}]:{number}/metrics" if ":" in address else f"http://{address}:{number}/metrics"
