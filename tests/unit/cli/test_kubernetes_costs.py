"""The deletion cost of a pod is whom its end would disturb."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from rillcast.cli.kubernetes.api import Json, Refused
from rillcast.cli.kubernetes.costs import ANNOTATION, LOSES, cost_in, keep_costs
from rillcast.contracts.words import NodeKind

VIEWERS = "# TYPE rillcast_edge_viewers gauge\nrillcast_edge_viewers 1234.0\n"


def pod(name: str, kind: str = "edge", *, ip: str = "10.0.0.1", cost: str = "", ending: bool = False) -> Json:
    meta: Json = {"name": name, "labels": {"app.kubernetes.io/component": kind}}
    if cost:
        meta["annotations"] = {ANNOTATION: cost}
    if ending:
        meta["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    ports = [{"name": "media-0", "containerPort": 50_100}, {"name": "admin", "containerPort": 9_102}]
    return {"metadata": meta, "spec": {"containers": [{"ports": ports}]}, "status": {"podIP": ip} if ip else {}}


class Cluster:
    """Pods, and the costs that were written."""

    def __init__(self, *pods: Json) -> None:
        self._pods = list(pods)
        self.costs: dict[str, str] = {}
        self.gone: set[str] = set()

    def pods(self, labels: str) -> list[Json]:
        assert labels == "app=x"
        return self._pods

    def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        if name in self.gone:
            raise Refused("it is gone", 404)
        self.costs[name] = annotations[ANNOTATION]


def test_each_edge_costs_its_viewers() -> None:
    cluster, asked = Cluster(pod("a"), pod("b", ip="2001:db8::1")), list[str]()

    def look(url: str) -> str:
        asked.append(url)
        return VIEWERS if "10.0.0.1" in url else VIEWERS.replace("1234.0", "7.0")

    done = keep_costs(cluster, "app=x", look)

    assert cluster.costs == {"a": "1234", "b": "7"}
    assert asked == ["http://10.0.0.1:9102/metrics", "http://[2001:db8::1]:9102/metrics"]
    assert (done.written, done.kept, done.unknown) == (2, 0, 0)


def test_a_cost_that_is_the_same_is_not_written_again() -> None:
    cluster = Cluster(pod("a", cost="1234"))

    assert keep_costs(cluster, "app=x", lambda _: VIEWERS).kept == 1
    assert cluster.costs == {}


def test_who_ends_has_no_address_or_is_no_media_node_is_left_alone() -> None:
    cluster = Cluster(pod("a", ending=True), pod("b", ip=""), pod("c", "license"), pod("d", "nats"))

    keep_costs(cluster, "app=x", lambda _: pytest.fail("nobody is asked"))

    assert cluster.costs == {}


@pytest.mark.parametrize("fault", [OSError("no route"), httpx.ConnectTimeout("late"), ValueError("too long")])
def test_one_that_does_not_answer_keeps_its_cost_and_the_others_are_asked(fault: Exception) -> None:
    cluster = Cluster(pod("a", ip="10.0.0.9", cost="5"), pod("b"))

    def look(url: str) -> str:
        if "10.0.0.9" in url:
            raise fault
        return VIEWERS

    done = keep_costs(cluster, "app=x", look)

    assert cluster.costs == {"b": "1234"}
    assert done.unknown == 1


def test_one_that_went_meanwhile_is_no_fault() -> None:
    cluster = Cluster(pod("a"), pod("b", ip="10.0.0.2"))
    cluster.gone = {"a"}

    assert keep_costs(cluster, "app=x", lambda _: VIEWERS).unknown == 1
    assert cluster.costs == {"b": "1234"}


def test_a_cost_fits_what_kubernetes_takes() -> None:
    assert cost_in("rillcast_edge_viewers 1e12\n", "rillcast_edge_viewers") == 2**31 - 1
    with pytest.raises(ValueError, match="no rillcast_edge_viewers"):
        cost_in("other 1\n", "rillcast_edge_viewers")


def test_nodes_without_media_have_no_cost() -> None:
    assert set(LOSES) == {NodeKind.EDGE, NodeKind.ORIGIN, NodeKind.TRANSCODER}
