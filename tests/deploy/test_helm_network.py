"""Who reaches which ports of the chart's pods, and for how long."""

from __future__ import annotations

import re

import pytest
from helm_chart import EVERYTHING, RELEASE, containers, environment_of, of_kind, pods, rendered, workload

from rillcast.contracts.words import NodeKind


@pytest.mark.parametrize("name", EVERYTHING)
def test_ports_of_a_node_are_those_that_it_opens(name: str) -> None:
    for kind in (NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER):
        pod = workload(rendered(name), kind)["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        given, workers = (
            environment_of(container),
            int(environment_of(container).get(f"RILLCAST_{kind.upper()}_WORKERS", 1)),
        )
        open_udp = sorted(one["containerPort"] for one in container["ports"] if one.get("protocol") == "UDP")
        firsts = [
            int(given[f"RILLCAST_{kind.upper()}_{what}_PORT"])
            for what in ("MEDIA", "RELAY")
            if kind is not NodeKind.TRANSCODER or what == "RELAY"
        ]

        assert open_udp == sorted(first + worker for first in firsts for worker in range(workers))
        if pod.get("hostNetwork"):
            assert all(one["hostPort"] == one["containerPort"] for one in container["ports"])
        assert given[f"RILLCAST_{kind.upper()}_RELAY_BIND"] == "$(POD_IP)", "relays are never public"


def test_who_is_on_its_machine_leaves_before_the_next_one_comes() -> None:
    on_machine, in_pod = workload(rendered("defaults"), "edge"), workload(rendered("defaults"), "transcoder")

    assert on_machine["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert in_pod["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_load_balancer_keeps_its_pod_while_that_drains() -> None:
    services = [one for one in of_kind(rendered("balancers"), "Service") if one["spec"].get("type") == "LoadBalancer"]

    assert len(services) == 2
    for ordinal, service in enumerate(services):
        spec = service["spec"]
        assert spec["publishNotReadyAddresses"] is True
        assert spec["selector"]["statefulset.kubernetes.io/pod-name"] == f"{RELEASE}-edge-{ordinal}"
        assert [port["port"] for port in spec["ports"]] == [50_100, 50_101]
        assert {port["protocol"] for port in spec["ports"]} == {"UDP"}


def test_websockets_may_be_silent_for_an_hour() -> None:
    (ingress,) = of_kind(rendered("prod"), "Ingress")
    (route,) = of_kind(rendered("gateway"), "HTTPRoute")

    seconds = [int(re.search(r"\d+", text)[0]) for text in ingress["metadata"]["annotations"].values()]  # type: ignore[index]
    assert len(seconds) == 4
    assert min(seconds) >= 3600
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "3600s", "backendRequest": "3600s"}


def test_relays_and_the_control_plane_are_for_nodes_only() -> None:
    inside = {"admin", "relay"}
    for policy in of_kind(rendered("staging"), "NetworkPolicy"):
        component = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        open_ports = {
            port["port"] for rule in policy["spec"]["ingress"] if "from" not in rule for port in rule["ports"]
        }
        if component in ("nats", "consul"):
            assert open_ports == set()
            continue
        (container,) = workload(rendered("staging"), component)["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]:
            assert (port["containerPort"] in open_ports) is (port["name"].split("-")[0] not in inside), port
    assert len(list(of_kind(rendered("staging"), "NetworkPolicy"))) == 7


def test_three_releases_fit_into_one_cluster() -> None:
    taken: dict[tuple[int, str], str] = {}
    for name in ("staging", "prod"):
        for pod_name, pod in pods(rendered(name)):
            for port in (port for one in containers(pod) for port in one.get("ports", []) if "hostPort" in port):
                key = (port["hostPort"], port.get("protocol", "TCP"))
                assert key not in taken, f"{name} {pod_name} and {taken[key]}"
                taken[key] = f"{name} {pod_name}"
    assert not any("hostPort" in str(pod) for _, pod in pods(rendered("dev")))
