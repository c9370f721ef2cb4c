"""Where a pod runs and how clients reach it, and the words when they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.kubernetes.api import Json
from rillcast.cli.kubernetes.place import PATIENCE_S, Wish, find_place

MACHINE: Json = {
    "metadata": {
        "labels": {"topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": "eu-central-1b"}
    },
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.5"},
            {"type": "ExternalIP", "address": "203.0.113.7"},
            {"type": "ExternalIP", "address": "2001:db8::7"},
            {"type": "ExternalIP", "address": "no-address"},
            {"type": "Hostname", "address": "worker-1"},
        ]
    },
}


class Server:
    """An API server with one machine; its load balancer gets an address at the third look."""

    def __init__(self, machine: Json = MACHINE, ingress: Json | None = None, looks: int = 3) -> None:
        self._machine = machine
        self._ingress = ingress
        self._looks = looks
        self.now_s = 0.0

    def node(self, name: str) -> Json:
        assert name == "worker-1"
        return self._machine

    def service(self, name: str) -> Json:
        assert name == "edge-0"
        self._looks -= 1
        there = self._ingress is not None and self._looks <= 0
        return {"status": {"loadBalancer": {"ingress": [self._ingress]} if there else {}}}

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def found(server: Server, folder: Path, **wish: object) -> dict[str, str]:
    made = Wish("worker-1", **wish)  # type: ignore[arg-type]
    find_place(server, made, folder, clock=lambda: server.now_s, pause=server.pause)
    return {path.name: path.read_text().rstrip("\n") for path in folder.iterdir()}


def test_region_and_zone_are_those_of_the_machine(tmp_path: Path) -> None:
    assert found(Server(), tmp_path) == {
        "region": "eu-central-1",
        "zone": "eu-central-1b",
        "media-addresses": "",
    }


def test_what_the_operator_says_wins(tmp_path: Path) -> None:
    files = found(Server(), tmp_path, region="home", zone="cellar")

    assert (files["region"], files["zone"]) == ("home", "cellar")


def test_a_machine_without_labels_has_no_region(tmp_path: Path) -> None:
    assert found(Server({"metadata": {}, "status": {}}), tmp_path)["region"] == ""


def test_external_addresses_are_those_of_the_machine_that_are_addresses(tmp_path: Path) -> None:
    assert found(Server(), tmp_path, external=True)["media-addresses"] == "203.0.113.7,2001:db8::7"


def test_a_machine_without_an_external_address_ends_the_pod_in_words(tmp_path: Path) -> None:
    inside = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]}}

    with pytest.raises(CannotGoOn, match="worker-1 has no address of type ExternalIP"):
        found(Server(inside), tmp_path, external=True)
    assert list(tmp_path.iterdir()) == []


def test_the_address_of_a_load_balancer_is_waited_for(tmp_path: Path) -> None:
    assert (
        found(Server(ingress={"ip": "198.51.100.9"}), tmp_path, service="edge-0")["media-addresses"] == "198.51.100.9"
    )


def test_a_load_balancer_that_has_only_a_name_is_resolved(tmp_path: Path) -> None:
    assert (
        "127.0.0.1" in found(Server(ingress={"hostname": "localhost"}), tmp_path, service="edge-0")["media-addresses"]
    )


def test_a_load_balancer_that_never_comes_ends_the_pod_in_words(tmp_path: Path) -> None:
    server = Server()

    with pytest.raises(CannotGoOn, match="edge-0 has got no address of a load balancer within 300 s"):
        found(server, tmp_path, service="edge-0")
    assert server.now_s >= PATIENCE_S
